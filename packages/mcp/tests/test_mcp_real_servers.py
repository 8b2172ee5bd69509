"""Agents in workflows with third-party MCP servers: from npm and PyPI, over stdio and HTTP."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.mcp.tests.conftest import HttpServer, NodeCommand
from packages.mcp.tests.mcp_support import plugins, text, tool_results, turn
from packages.mcp.tests.servers.clients import PYTHON_SERVER, stdio
from strands.tools.mcp import MCPClient
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_mcp import TemporalMCPClient

pytestmark = [
    pytest.mark.server,
    # On mcp 1, Strands uses the deprecated name.
    pytest.mark.filterwarnings("ignore:Use `streamable_http_client` instead:DeprecationWarning"),
]

LOCALHOST_ONLY = PYTHON_SERVER.parent / "localhost_only.cjs"


@workflow.defn
class Prompted:
    @workflow.run
    async def run(self, names: list[str]) -> list[Any]:
        agent = TemporalAgent(
            "scripted", tools=[[TemporalMCPClient(n)] for n in names], callback_handler=None
        )
        await agent.invoke_async("go")
        return tool_results(agent)


def everything_script() -> ScriptedModel:
    return ScriptedModel(
        turn(
            [
                ("echo", {"message": "hello"}),
                ("get-sum", {"a": 20, "b": 22}),
                ("get-tiny-image", {}),
                ("get-structured-content", {"location": "Chicago"}),
                ("no-such-tool", {}),
            ]
        ),
        say("done"),
    )


def check_everything(results: list[Any], model: ScriptedModel) -> None:
    by_id = {result["toolUseId"]: result for result in results}
    assert text(by_id["echo-0"]) == "Echo: hello"
    assert "42" in text(by_id["get-sum-1"])
    assert by_id["get-structured-content-3"]["structuredContent"]["conditions"]
    assert by_id["no-such-tool-4"]["status"] == "error"
    content: list[Any] = list(model.calls[1].messages[-1]["content"])
    (image,) = [b["image"] for block in content for b in block["toolResult"]["content"] if "image" in b]
    assert image["source"]["bytes"].startswith(b"\x89PNG")


async def test_server_everything_over_stdio(agents: Agents, node_command: NodeCommand) -> None:
    model = everything_script()
    servers = plugins(model, everything=lambda: stdio(node_command("server-everything", "stdio")))
    async with agents(workflows=[Prompted], plugins=servers) as env:
        check_everything(await env.run(Prompted.run, ["everything"]), model)


async def test_server_everything_over_streamable_http(
    agents: Agents, node_command: NodeCommand, http_server: HttpServer
) -> None:
    model = everything_script()
    node, *script = node_command("server-everything", "streamableHttp")

    def server(port: int) -> list[str]:
        return [node, "--require", str(LOCALHOST_ONLY), *script]

    async with http_server(server) as port:
        servers = plugins(model, everything=lambda: MCPClient(url=f"http://127.0.0.1:{port}/mcp"))
        async with agents(workflows=[Prompted], plugins=servers) as env:
            check_everything(await env.run(Prompted.run, ["everything"]), model)


async def test_server_everything_asks_the_user(agents: Agents, node_command: NodeCommand) -> None:
    async def decline(context: Any, params: Any) -> Any:
        from mcp.types import ElicitResult

        return ElicitResult(action="decline")

    model = ScriptedModel(use_tool("trigger-elicitation-request", {}), say("done"))
    command = node_command("server-everything", "stdio")
    servers = plugins(model, everything=lambda: stdio(command, elicitation_callback=decline))
    async with agents(workflows=[Prompted], plugins=servers) as env:
        (result,) = await env.run(Prompted.run, ["everything"])
    assert result["status"] == "success"
    assert "declined" in text(result)


async def test_two_servers_and_an_error_of_the_tool(
    agents: Agents, node_command: NodeCommand, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("durable")
    command = node_command("server-filesystem", str(tmp_path))
    model = ScriptedModel(
        turn(
            [
                ("files_read_text_file", {"path": str(tmp_path / "note.txt")}),
                ("files_read_text_file", {"path": "/etc/hostname"}),
                ("echo", {"message": "beside"}),
            ]
        ),
        lambda call: say(call.text),
    )
    servers = plugins(
        model,
        files=lambda: stdio(command, prefix="files"),
        everything=lambda: stdio(node_command("server-everything", "stdio")),
    )
    async with agents(workflows=[Prompted], plugins=servers) as env:
        read, denied, echoed = await env.run(Prompted.run, ["files", "everything"])
    assert text(read) == "durable"
    assert denied["status"] == "error"
    assert "Access denied" in text(denied)
    assert text(echoed) == "Echo: beside"


async def test_a_python_server_over_streamable_http(agents: Agents, http_server: HttpServer) -> None:
    def server(port: int) -> list[str]:
        return [sys.executable, str(PYTHON_SERVER), "http", str(port)]

    model = ScriptedModel(use_tool("add", {"a": 2, "b": 3}), say("done"))
    async with http_server(server) as port:
        servers = plugins(model, tests=lambda: MCPClient(url=f"http://127.0.0.1:{port}/mcp"))
        async with agents(workflows=[Prompted], plugins=servers) as env:
            (result,) = await env.run(Prompted.run, ["tests"])
    assert text(result) == "5"


async def test_a_server_from_pypi_in_an_environment_of_its_own(agents: Agents, uv: str) -> None:
    command = [uv, "tool", "run", "--quiet", "mcp-server-time@2026.10.19", "--local-timezone", "UTC"]
    model = ScriptedModel(use_tool("get_current_time", {"timezone": "Asia/Tokyo"}), say("done"))
    servers = plugins(model, time=lambda: stdio(command, env=dict(os.environ), startup_timeout=120))
    async with agents(workflows=[Prompted], plugins=servers) as env:
        (result,) = await env.run(Prompted.run, ["time"])
    assert "+09:00" in text(result)
