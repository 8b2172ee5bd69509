"""A call that gets an answer, whatever it is, is made once. A call without an answer is retried."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import pytest
from conftest import Agents
from packages.mcp.tests.mcp_support import OneServer, attempts, plugins, text
from packages.mcp.tests.servers.clients import server_here, stdio
from strands import Agent
from strands.tools.mcp import MCPClient

from strands_temporal.activity import decode
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_mcp._answers import unanswered

pytestmark = pytest.mark.server

SERVER = str(Path(__file__).parent / "servers" / "answering_server.py")
SAID = {
    "charge": "charged",
    "declined": "Tool execution failed: card declined",
    "declined_within": "Tool execution failed: card declined",
    "cannot_ask": "Tool execution failed: Method not found",
    "busy": "Tool execution failed: the bank timed out",
    "odd_image": "Tool execution failed: 'image/tiff'",
    "broken_image": "Tool execution failed: ",
    "no_content": "Tool execution failed: ",
    "no_schema": "Tool execution failed: Tool no_schema has an output schema but did not return structured",
    "bad_schema": "Tool execution failed: Invalid structured content returned by tool bad_schema",
}


def client_counting_in(count: Path) -> MCPClient:
    return stdio([sys.executable, SERVER, str(count)])


def counted(count: Path) -> list[str]:
    return count.read_text().split()


@pytest.mark.parametrize("tool", SAID)
async def test_an_answer_of_any_kind_is_the_calls_result_at_once(
    agents: Agents, tmp_path: Path, tool: str
) -> None:
    plain = ScriptedModel(use_tool(tool, {}), say("done"))
    with client_counting_in(tmp_path / "plain") as tools:
        agent = Agent(plain, tools=tools.list_tools_sync(), callback_handler=None)
        await agent.invoke_async("go")

    model = ScriptedModel(use_tool(tool, {}), say("done"))
    given = plugins(model, tests=lambda: client_counting_in(tmp_path / "count"))
    async with agents(workflows=[OneServer], plugins=given) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1]
    assert counted(tmp_path / "count") == counted(tmp_path / "plain") == [tool]
    assert text(result).startswith(SAID[tool])
    (block,) = plain.calls[1].messages[-1]["content"]
    assert decode(result) == block.get("toolResult")  # as the model of a plain agent reads it


async def test_the_session_is_not_suspected_for_an_answer(agents: Agents, tmp_path: Path) -> None:
    model = ScriptedModel(use_tool("declined", {}), use_tool("charge", {}), say("done"))
    made: list[MCPClient] = []

    def client() -> MCPClient:
        made.append(client_counting_in(tmp_path / "count"))
        return made[-1]

    async with agents(workflows=[OneServer], plugins=plugins(model, tests=client)) as env:
        _, charged = await env.run(OneServer.run, ["go"])
    assert text(charged) == "charged"
    assert counted(tmp_path / "count") == ["declined", "charge"]


async def test_a_call_without_an_answer_is_tried_again(agents: Agents, tmp_path: Path) -> None:
    model = ScriptedModel(use_tool("die", {}), say("done"))
    given = plugins(model, tests=lambda: client_counting_in(tmp_path / "count"))
    async with agents(workflows=[OneServer], plugins=given) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [2]
    assert counted(tmp_path / "count") == ["die", "die"]
    assert result["status"] == "error"


async def test_what_a_clients_own_mapping_makes_and_cannot_cross_is_a_failed_result(
    agents: Agents, tmp_path: Path
) -> None:
    class Mapping(MCPClient):
        def map_mcp_content_to_tool_result_content(self, content: Any) -> Any:
            return {"text": "fine", "object": object()}

    model = ScriptedModel(use_tool("charge", {}), say("done"))

    def client() -> MCPClient:
        made = client_counting_in(tmp_path / "count")
        made.__class__ = Mapping
        return made

    async with agents(workflows=[OneServer], plugins=plugins(model, tests=client)) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1]
    assert counted(tmp_path / "count") == ["charge"]
    assert text(result).startswith("Tool execution failed: A object cannot cross")


@pytest.mark.parametrize(
    ("tool", "arguments"), [("declined", {}), ("ask", {"question": "Who?"})], ids=["raises", "asks"]
)
async def test_a_real_server_that_answers_by_an_error_is_called_once(
    agents: Agents, tmp_path: Path, tool: str, arguments: dict[str, Any]
) -> None:
    model = ScriptedModel(use_tool(tool, {**arguments, "count": str(tmp_path / "count")}), say("done"))
    async with agents(workflows=[OneServer], plugins=plugins(model, tests=server_here)) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [1]
    assert result["status"] == "error"
    if tool == "declined":
        assert counted(tmp_path / "count") == ["declined"]
        assert "card declined" in text(result)


# --- Calls without an answer --------------------------------------------------------------------------------


class SaidError(Exception):
    """An error as the `mcp` package raises it, for the server's errors and for the client's own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = SimpleNamespace(code=code, message=message)


class GroupError(Exception):
    """Like an exception group, which Python 3.10 does not have."""

    def __init__(self, *exceptions: Exception) -> None:
        super().__init__("unhandled errors in a TaskGroup")
        self.exceptions = exceptions


NO_ANSWER: list[Exception] = [
    SaidError(-32000, "Connection closed"),
    SaidError(-32000, "SSE stream ended without a response"),
    SaidError(-32000, "SSE stream ended and reconnection attempts were exhausted"),
    SaidError(-32001, "Request 'tools/call' timed out"),
    SaidError(408, "Timed out while waiting for response to ClientRequest. Waited 5.0 seconds."),
    SaidError(32600, "Session terminated"),
    SaidError(-32600, "Session terminated"),
    SaidError(-32603, "Server returned an error response"),
    RuntimeError("Connection to the MCP server was closed"),
    ConnectionResetError("reset by peer"),
    anyio.ClosedResourceError(),
    httpx.ReadTimeout("slow"),
    GroupError(ValueError("x"), GroupError(BrokenPipeError())),
]
ANSWERS: list[Exception] = [
    SaidError(-32000, "card declined"),
    SaidError(-32001, "no such account"),
    SaidError(408, "the bank timed out"),
    SaidError(-32603, "Internal error"),
    SaidError(-32601, "Connection closed"),
    KeyError("image/tiff"),
    RuntimeError("Invalid structured content returned by tool pay: 1 is not a string"),
    ValueError("1 validation error for CallToolResult"),
    GroupError(ValueError("x")),
]


@pytest.mark.parametrize("error", NO_ANSWER, ids=repr)
def test_no_answer(error: Exception) -> None:
    assert unanswered(error)


@pytest.mark.parametrize("error", ANSWERS, ids=repr)
def test_an_answer(error: Exception) -> None:
    assert not unanswered(error)
