"""The public surface of this package, pinned."""

import strands_temporal_otel
from strands_temporal import ComposablePlugin


def test_public_names() -> None:
    assert strands_temporal_otel.__all__ == ["OTelPlugin"]
    assert issubclass(strands_temporal_otel.OTelPlugin, ComposablePlugin)


def test_the_plugins_name_is_its_place() -> None:
    assert strands_temporal_otel.OTelPlugin().name() == "strands_temporal_otel.OTelPlugin"
