"""The public surface of this package, pinned."""

import strands_temporal_mcp
from strands_temporal import ComposablePlugin


def test_public_names() -> None:
    assert strands_temporal_mcp.__all__ == ["MCPPlugin"]
    assert issubclass(strands_temporal_mcp.MCPPlugin, ComposablePlugin)


def test_the_plugins_name_is_its_place() -> None:
    assert strands_temporal_mcp.MCPPlugin().name() == "strands_temporal_mcp.MCPPlugin"
