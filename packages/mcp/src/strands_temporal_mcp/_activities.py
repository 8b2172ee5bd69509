"""The activities of one MCP server: what runs on the worker when an agent lists or calls its tools."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from strands_temporal.activity import heartbeating

from ._session import MCPSession
from ._types import (
    MCP_RESULT_TOO_LARGE,
    WIRE_VERSION,
    WIRE_VERSION_UNKNOWN,
    CalledTool,
    CallTool,
    ListTools,
    ToolListing,
    call_tool_activity,
    list_tools_activity,
)

LARGEST_PAYLOAD = 2 * 1024 * 1024 - 4096
"""Bytes of JSON that a Temporal server takes as one payload by default, less room for the rest."""


def server_activities(session: MCPSession) -> Sequence[Callable[..., Any]]:
    """Return `{server}-list-tools` and `{server}-call-tool` of one server."""

    @activity.defn(name=list_tools_activity(session.name))
    async def list_tools(request: ListTools) -> ToolListing:
        _check_version(request.version)
        with heartbeating():
            listing = await session.listing(fresh=request.fresh, known=request.known)
        _check_size(
            f"The list of tools of MCP server {session.name!r}",
            [vars(tool) for tool in listing.tools or ()],
            "Leave some out with tool_filters",
        )
        return listing

    @activity.defn(name=call_tool_activity(session.name))
    async def call_tool(call: CallTool) -> CalledTool:
        _check_version(call.version)
        with heartbeating():
            result = await session.call(call.tool, call.tool_use_id, call.arguments)
        _check_size(f"The result of tool {call.tool!r}", result, "Have it return less")
        return CalledTool(result)

    return [list_tools, call_tool]


def _check_size(what: str, value: Any, advice: str) -> None:
    """Refuse what the server refuses without a word: the activity would end as a heartbeat time-out."""
    size = len(json.dumps(value, ensure_ascii=False).encode())
    if size <= LARGEST_PAYLOAD:
        return
    converter = activity.client().config(active_config=True)["data_converter"]
    if converter.payload_codec is None and converter.external_storage is None:
        raise ApplicationError(
            f"{what} is too large for Temporal: {size} bytes, at most {LARGEST_PAYLOAD}. {advice}, or give "
            "the client a payload codec that compresses, or external storage",
            type=MCP_RESULT_TOO_LARGE,
            non_retryable=True,  # it would be as large the next time, and a tool would do its work again
        )


def _check_version(version: int) -> None:
    if version > WIRE_VERSION:
        raise ApplicationError(
            f"An MCP request of wire version {version} reached a worker that knows {WIRE_VERSION}: a newer "
            "strands-temporal-mcp runs the workflow. Upgrade this worker; the request is tried again",
            type=WIRE_VERSION_UNKNOWN,
        )
