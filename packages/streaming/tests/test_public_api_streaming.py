"""The public surface of this package, pinned."""

import strands_temporal_streaming
from strands_temporal import ComposablePlugin


def test_public_names() -> None:
    assert strands_temporal_streaming.__all__ == ["StreamingPlugin"]
    assert issubclass(strands_temporal_streaming.StreamingPlugin, ComposablePlugin)


def test_the_plugins_name_is_its_place() -> None:
    assert strands_temporal_streaming.StreamingPlugin().name() == "strands_temporal_streaming.StreamingPlugin"
