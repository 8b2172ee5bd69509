"""An MCP server in this process that gives one answer, however damaged, over the protocol's own messages."""

import asyncio
import json
from collections.abc import AsyncGenerator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import anyio
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from strands.tools.mcp import MCPClient
from temporalio.testing import ActivityEnvironment

from strands_temporal_mcp._activities import server_activities
from strands_temporal_mcp._servers import MCPServers
from strands_temporal_mcp._types import CallTool, ListTools

from .damage import json_text

_CAPABLE = {"capabilities": {"tools": {}}, "serverInfo": {"name": "odd", "version": "1"}}
_TOOLS = {"tools": [{"name": "t", "inputSchema": {"type": "object", "properties": {}}}]}


def served(method: str, said: Any) -> None:
    """Connect to a server that says `said` to one method, as "result" or "error"; list, and call a tool.

    Values that mcp does not take for a message are not tried: nothing of ours sees them.
    """
    answers: dict[str, Any] = {"tools/list": {"result": _TOOLS}, "tools/call": {"result": {"content": []}}}
    answers[method] = cast("dict[str, Any]", said) if isinstance(said, dict) else {"result": said}
    try:
        _message(0, answers[method])
    except ValueError:
        return
    asyncio.run(_used(answers))


async def _used(answers: dict[str, Any]) -> None:
    connect: Any = lambda: _streams(answers)  # noqa: E731  # Strands' type of it knows mcp 1 only
    servers = MCPServers({"s": lambda: MCPClient(connect)}, startup_timeout=timedelta(seconds=8))
    await asyncio.to_thread(servers.open, Future())
    try:
        list_tools, call_tool = server_activities(servers.sessions[0])
        await ActivityEnvironment().run(list_tools, ListTools(fresh=True))
        await ActivityEnvironment().run(call_tool, CallTool("t", "1", {}))
    finally:
        await asyncio.to_thread(servers.close)


@asynccontextmanager
async def _streams(answers: dict[str, Any]) -> AsyncGenerator[Any]:
    async with create_client_server_memory_streams() as (here, there), anyio.create_task_group() as tasks:
        tasks.start_soon(_serve, *there, answers)
        yield here
        tasks.cancel_scope.cancel()


async def _serve(requests: Any, replies: Any, answers: dict[str, Any]) -> None:
    async for request in requests:
        asked = json.loads(request.message.model_dump_json(by_alias=True))
        if "id" not in asked:
            continue
        if asked["method"] == "initialize":
            said: Any = {"result": {"protocolVersion": asked["params"]["protocolVersion"], **_CAPABLE}}
        else:
            said = answers.get(asked["method"], {"error": {"code": -32601, "message": "Method not found"}})
        await replies.send(SessionMessage(_message(asked["id"], said)))


def _message(number: Any, said: dict[str, Any]) -> Any:
    text = json_text({**said, "jsonrpc": "2.0", "id": number})
    return jsonrpc_message_adapter.validate_json(text, by_name=False)
