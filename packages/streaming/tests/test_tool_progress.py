"""The progress of tools that run in activities, as events."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import read_all
from strands import tool
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools
from strands_temporal_streaming import AgentStream, StreamHooks, ToolProgress, ToolResult, ToolStarted

pytestmark = [pytest.mark.server, pytest.mark.slow]


@tool
async def count(to: int) -> AsyncIterator[Any]:
    """Count."""
    for number in range(1, to + 1):
        yield {"counted": number}
    yield f"counted to {to}"


@workflow.defn
class CountingWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, to: int) -> str:
        agent = TemporalAgent(
            "m",
            name="counter",
            tools=[TemporalTools("count")],
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )
        return str(await agent.invoke_async(f"to {to}"))


def reply(call: ScriptedCall) -> Reply:
    """Count, and say so."""
    if call.tool_results:
        return say(call.text)
    return use_tool("count", {"to": int(call.prompt.removeprefix("to "))}, tool_use_id="c1")


async def test_the_progress_of_a_hosted_tool_comes_before_its_result(agents: Agents) -> None:
    models = {"m": lambda: ScriptedModel(reply)}
    plugins = [StrandsPlugin(models=models, tools={"count": lambda: count})]
    async with agents(workflows=[CountingWorkflow], plugins=plugins) as env:
        handle = await env.start(CountingWorkflow.run, 3)
        events = await read_all(AgentStream(env.client, handle.id))
        assert await handle.result() == "counted to 3\n"
        await env.assert_replays(handle)
    about = [event for event in events if isinstance(event, (ToolStarted, ToolProgress, ToolResult))]
    assert [type(event) for event in about] == [ToolStarted, *[ToolProgress] * 4, ToolResult]
    assert [event.data for event in about if isinstance(event, ToolProgress)] == [
        {"counted": 1},
        {"counted": 2},
        {"counted": 3},
        "counted to 3",
    ]
    assert {(event.agent, event.turn, event.tool_use_id) for event in about} == {("counter", 1, "c1")}
