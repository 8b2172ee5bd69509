"""The public surface of this package, pinned; wrong arguments of a handle; the cost of an import."""

import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest

import strands_temporal_mcp
from strands_temporal import AgentTypeError, AgentValueError, ComposablePlugin
from strands_temporal_mcp import MCPPlugin, TemporalMCPClient


def test_public_names() -> None:
    assert strands_temporal_mcp.__all__ == [
        "MCPClientFactory",
        "MCPPlugin",
        "MCPServersUnavailableError",
        "TemporalMCPClient",
    ]
    assert all(hasattr(strands_temporal_mcp, name) for name in strands_temporal_mcp.__all__)
    assert issubclass(MCPPlugin, ComposablePlugin)


def test_the_plugins_name_is_its_place() -> None:
    assert MCPPlugin().name() == "strands_temporal_mcp.MCPPlugin"


def test_core_finds_the_plugin_by_its_entry_point() -> None:
    (entry,) = entry_points(group="strands_temporal.plugins", name="mcp")
    assert entry.load() is MCPPlugin


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (AgentTypeError, "server=5 is not a string", {"server": 5}),
        (AgentValueError, "server is empty", {"server": ""}),
        (AgentTypeError, "cache_tools='yes' is not None, True or False", {"cache_tools": "yes"}),
        (AgentTypeError, "unknown option 'timeout'", {"timeout": 5}),
        (AgentTypeError, "start_to_close_timeout=5 is not a timedelta", {"start_to_close_timeout": 5}),
        (AgentValueError, "activity_id='x' cannot be set", {"activity_id": "x"}),
    ],
)
def test_what_a_handle_is_given_wrongly(error: Any, message: str, arguments: dict[str, Any]) -> None:
    handle: Any = TemporalMCPClient
    with pytest.raises(error, match=message):
        handle(**{"server": "tests", **arguments})


def test_workflow_code_does_not_import_mcp() -> None:
    code = "import sys; from strands_temporal_mcp import *; TemporalMCPClient('a'); MCPPlugin()"
    code += "; print('mcp' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "False"
