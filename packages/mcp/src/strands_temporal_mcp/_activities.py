"""The activities of one MCP server: they list and call its tools on the worker."""

from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity

from strands_temporal.extension import check_result, check_wire_version, heartbeating

from ._session import MCPSession
from ._types import (
    MCP_RESULT_TOO_LARGE,
    WIRE_VERSION,
    CalledTool,
    CallTool,
    ListTools,
    ToolListing,
    call_tool_activity,
    list_tools_activity,
)


def server_activities(session: MCPSession) -> Sequence[Callable[..., Any]]:
    """Return `{server}-list-tools` and `{server}-call-tool` of one server."""

    @activity.defn(name=list_tools_activity(session.name))
    async def list_tools(request: ListTools) -> ToolListing:
        _check_version(request.version)
        with heartbeating():
            listing = await session.listing(
                fresh=request.fresh, known=request.known, read_only=request.read_only
            )
        await check_result(
            f"The list of tools of MCP server {session.name!r}",
            listing,
            MCP_RESULT_TOO_LARGE,
            "Leave some out with tool_filters",
        )
        return listing

    @activity.defn(name=call_tool_activity(session.name))
    async def call_tool(call: CallTool) -> CalledTool:
        _check_version(call.version)
        with heartbeating():
            result = await session.call(call.tool, call.tool_use_id, call.arguments)
            called = CalledTool(result, attempt=activity.info().attempt)
        await check_result(
            f"The result of tool {call.tool!r}", called, MCP_RESULT_TOO_LARGE, "Make it return less"
        )
        return called

    return [list_tools, call_tool]


def _check_version(version: int) -> None:
    check_wire_version("An MCP request", version, WIRE_VERSION, "strands-temporal-mcp")
