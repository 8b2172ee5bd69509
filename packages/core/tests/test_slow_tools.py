"""A plain tool that computes for long inside a workflow: the run goes on and ends, whatever it computes."""

import asyncio
import time
from typing import Any

import pytest
from conftest import Agents
from strands import tool
from temporalio import workflow
from temporalio.api.enums.v1 import EventType

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools

pytestmark = pytest.mark.server

begun: list[float] = []


@tool
def compute(seconds: float, swallows: bool = False) -> str:
    """Compute for so many seconds, as a hard integral does."""
    begun.append(seconds)
    until = time.perf_counter() + seconds
    try:
        while time.perf_counter() < until:
            sum(range(1000))
    except BaseException:
        if not swallows:
            raise
    return "computed"


def answered(call: ScriptedCall) -> Any:
    (block,) = call.messages[-1]["content"]
    assert "toolResult" in block
    result = block["toolResult"]
    return say(f"{result['status']}: {result['content'][0].get('text')}")


@workflow.defn(sandboxed=False)
class ComputingWorkflow:
    @workflow.run
    async def run(self, hosted: bool = False) -> str:
        tools = [TemporalTools("compute") if hosted else compute]
        agent = TemporalAgent("m", tools=tools, callback_handler=None)
        first = str(await agent.invoke_async("go")).strip()
        return f"{first}\n{await agent.invoke_async('again')}".strip()


def computing(**first: Any) -> StrandsPlugin:
    steps = [use_tool("compute", first), answered, use_tool("compute", {"seconds": 0.001}), answered]
    return StrandsPlugin(models={"m": lambda: ScriptedModel(*steps)}, tools={"compute": lambda: compute})


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    begun.clear()
    # A busy machine may need more than Temporal's two seconds for 1.5 of the tool's own.
    monkeypatch.setattr("strands_temporal._slow_tools.LIMIT", 0.5)


@pytest.mark.parametrize("swallows", [False, True])
async def test_a_tool_that_computes_for_too_long_is_a_failed_tool(agents: Agents, swallows: bool) -> None:
    plugin = computing(seconds=3, swallows=swallows)
    async with agents(workflows=[ComputingWorkflow], plugins=[plugin]) as env:
        handle = await env.start(ComputingWorkflow.run)
        first, second = (await asyncio.wait_for(handle.result(), 30)).splitlines()
        ran = begun.count(3)
        await env.assert_replays(handle)
        history = await handle.fetch_history()
    assert "error: Error: " in first
    assert "The tool was ended after it had computed for 0.5 seconds inside the workflow" in first
    assert second == "success: computed"
    assert begun.count(3) == ran, "a replay runs it again"
    failed = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    assert ran == 1 + sum(event.event_type == failed for event in history.events)


async def test_on_a_worker_it_may_compute_for_as_long_as_it_takes(agents: Agents) -> None:
    async with agents(workflows=[ComputingWorkflow], plugins=[computing(seconds=3)]) as env:
        assert await env.run(ComputingWorkflow.run, True) == "success: computed\nsuccess: computed"


async def test_a_tool_that_computes_for_less_is_left_alone(agents: Agents) -> None:
    async with agents(workflows=[ComputingWorkflow], plugins=[computing(seconds=0.1)]) as env:
        assert await env.run(ComputingWorkflow.run) == "success: computed\nsuccess: computed"
