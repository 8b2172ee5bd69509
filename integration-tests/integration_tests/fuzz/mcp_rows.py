"""The decoders of strands-temporal-mcp."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from temporalio.exceptions import ApplicationError

from strands_temporal._wire.event_forms import checked_tool_spec
from strands_temporal.extension import checked_tool_result, decode
from strands_temporal_mcp import MCPServersUnavailableError
from strands_temporal_mcp._types import CalledTool, CallTool, ListedTool, ListTools, ToolListing

from .core_rows import TYPED, payload_of
from .mcp_server import served
from .row import Row

_RESULT = {"status": "success", "toolUseId": "1", "content": [{"text": "x"}], "structuredContent": {"a": 1}}
_SPEC = {"name": "t", "description": "d", "inputSchema": {"json": {"type": "object", "properties": {}}}}
_SERVED = (ApplicationError, MCPServersUnavailableError)
_CONTENT = [
    {"type": "text", "text": "x", "annotations": {"audience": ["user"], "priority": 0.5}},
    {"type": "image", "data": "AAAA", "mimeType": "image/png"},
    {"type": "resource", "resource": {"uri": "file:///a", "text": "x", "mimeType": "text/plain"}},
    {"type": "resource_link", "uri": "file:///a", "name": "a"},
]
_ANSWERS: dict[str, list[Any]] = {
    "tools/list": [
        {"result": {"tools": [{"name": "t", "description": "d", "inputSchema": {"type": "object"}}]}},
        {"result": {"tools": [], "nextCursor": None, "_meta": {"a": 1}}},
    ],
    "tools/call": [
        {"result": {"content": _CONTENT, "isError": False, "structuredContent": {"a": 1}, "_meta": {}}},
        {"error": {"code": -32000, "message": "no", "data": {"a": 1}}},
    ],
}


def mcp_rows() -> Sequence[Row]:
    """Return the rows of mcp."""
    return [
        Row("MCP tool's result", lambda v: checked_tool_result("s", decode(v)), [_RESULT], TYPED),
        Row("MCP tool's spec", lambda v: checked_tool_spec("s", decode(v)), [_SPEC], TYPED),
        *(
            Row(f"MCP server's {method}", partial(served, method), seeds, _SERVED)
            for method, seeds in _ANSWERS.items()
        ),
        *(
            Row(f"payload of {hint.__name__}", payload_of(hint), seeds, TYPED, "json bytes")
            for hint, seeds in _SEEDS.items()
        ),
    ]


_SEEDS: dict[Any, list[Any]] = {
    CalledTool: [asdict(CalledTool(_RESULT))],
    CallTool: [asdict(CallTool("t", "1", {"a": 1}))],
    ListTools: [asdict(ListTools(known="x"))],
    ToolListing: [asdict(ToolListing([ListedTool("t", _SPEC)], "d", read_only=["t"]))],
}
