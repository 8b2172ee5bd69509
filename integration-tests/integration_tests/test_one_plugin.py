"""The guide's one-plugin spelling: `StrandsPlugin` alone brings MCP servers and streaming."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from mcp import StdioServerParameters, stdio_client
from strands.tools.mcp import MCPClient
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import MissingExtraError, StrandsPlugin, TemporalAgent
from strands_temporal._wire.extras import load_extra
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_mcp import TemporalMCPClient

SERVER = Path(__file__).parents[2] / "packages" / "mcp" / "tests" / "servers" / "python_server.py"


def echo_client() -> MCPClient:
    connect: Any = lambda: stdio_client(  # noqa: E731  # Strands' type of it knows mcp 1 only
        StdioServerParameters(command=sys.executable, args=[str(SERVER)])
    )
    return MCPClient(connect)


@workflow.defn
class OnePluginWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()
        server = TemporalMCPClient(server="echo", start_to_close_timeout=timedelta(seconds=30))
        self.agent = TemporalAgent(
            model="m",
            start_to_close_timeout=timedelta(seconds=60),
            tools=[server],
            streaming_topic="events",
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        return str(await self.agent.invoke_async(prompt))


@pytest.mark.server
async def test_servers_and_streaming_with_strands_plugin_alone(agents: Agents) -> None:
    model = ScriptedModel(use_tool("add", {"a": 2, "b": 3}), lambda call: say(f"it is {call.text}", chunk=2))
    plugin = StrandsPlugin(models={"m": lambda: model}, mcp_clients={"echo": echo_client})
    async with agents(workflows=[OnePluginWorkflow], plugins=[plugin]) as env:
        result = await env.run(OnePluginWorkflow.run, "add")
        history = await env.handles[0].fetch_history()
    assert result.startswith("it is 5")
    types = {e.activity_task_scheduled_event_attributes.activity_type.name for e in history.events} - {""}
    assert types == {"echo-list-tools", "invoke_model_streaming", "echo-call-tool"}


def test_a_package_that_is_not_installed_is_named_with_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "strands-temporal\[mcpx\]"'):
        load_extra("mcpx", "StrandsPlugin(mcp_clients=...)")
