"""A plain tool that computes for a long time inside a workflow: the run goes on and completes."""

import asyncio
import time
from typing import Any

import pytest
from conftest import Agents
from strands import ToolContext, tool
from temporalio import workflow

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._upstream.slow_tools import ATTEMPTS, REMEMBERED, SlowCalls
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools

begun: list[float] = []


@tool(context=True)
def compute(seconds: float, tool_context: ToolContext, swallows: bool = False) -> str:
    """Compute for so many seconds, as a hard integral does."""
    begun.append(seconds)
    tool_context.agent.state.set(f"computed for {seconds:g}", True)
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
        second = str(await agent.invoke_async("again")).strip()
        return f"{first}\n{second}\n{', '.join(agent.state.get())}"


def computing(**first: Any) -> StrandsPlugin:
    steps = [use_tool("compute", first), answered, use_tool("compute", {"seconds": 0.001}), answered]
    return StrandsPlugin(models={"m": lambda: ScriptedModel(*steps)}, tools={"compute": lambda: compute})


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    begun.clear()
    # On a busy machine, 1.5 seconds of computing may take longer than Temporal's two seconds.
    monkeypatch.setattr("strands_temporal._upstream.slow_tools.LIMIT", 0.5)


@pytest.mark.server
@pytest.mark.parametrize("swallows", [False, True])
async def test_a_tool_that_computes_for_too_long_is_a_failed_tool(agents: Agents, swallows: bool) -> None:
    async with agents(
        workflows=[ComputingWorkflow], plugins=[computing(seconds=3, swallows=swallows)]
    ) as env:
        handle = await env.start(ComputingWorkflow.run)
        first, second, state = (await asyncio.wait_for(handle.result(), 40)).splitlines()
        ran = begun.count(3)
        await env.assert_replays(handle)
    assert "error: Error: SlowToolError - The tool took too long inside the workflow" in first
    assert second == "success: computed"
    assert state == "computed for 0.001", "what it did before it was ended is there, and not after a replay"
    assert begun.count(3) == ran, "a replay runs it again"


@pytest.mark.server
async def test_a_tool_that_swallows_the_interruption_uses_up_an_attempt(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = SlowCalls()
    monkeypatch.setattr("strands_temporal._upstream.slow_tools._slow_calls", calls)
    monkeypatch.setattr("strands_temporal._upstream.slow_tools.LIMIT", 60)
    monkeypatch.setattr("strands_temporal._upstream.slow_tools.INTERRUPTED_AFTER", 0.1)
    async with agents(workflows=[ComputingWorkflow], plugins=[computing(seconds=0.2)]) as env:
        handle = await env.start(ComputingWorkflow.run)
        await handle.result()
        await env.assert_replays(handle)
    call = (handle.first_execution_run_id or "", 1)
    for _ in range(ATTEMPTS - 1):
        assert not calls.is_given_up(call)
        calls.note(call, for_good=False)
    assert calls.is_given_up(call)


def test_a_call_that_is_interrupted_without_having_computed_is_tried_again() -> None:
    calls = SlowCalls()
    given_up = list[bool]()
    for _ in range(ATTEMPTS):
        given_up.append(calls.is_given_up(("run", 1)))
        calls.note(("run", 1), for_good=False)
    assert given_up == [False] * ATTEMPTS
    assert calls.is_given_up(("run", 1))
    assert not calls.is_given_up(("run", 2))


def test_a_worker_remembers_the_latest_calls() -> None:
    calls = SlowCalls()
    for number in range(REMEMBERED + 1):
        calls.note(("run", number), for_good=True)
    assert [calls.is_given_up(("run", number)) for number in (0, 1, REMEMBERED)] == [False, True, True]


@pytest.mark.server
async def test_on_a_worker_it_may_compute_for_as_long_as_it_takes(agents: Agents) -> None:
    async with agents(workflows=[ComputingWorkflow], plugins=[computing(seconds=3)]) as env:
        hosted, _, state = (await env.run(ComputingWorkflow.run, True)).splitlines()
    assert (hosted, state) == ("success: computed", "computed for 3, computed for 0.001")


@pytest.mark.server
async def test_a_tool_that_computes_for_less_is_left_alone(agents: Agents) -> None:
    async with agents(workflows=[ComputingWorkflow], plugins=[computing(seconds=0.1)]) as env:
        first, second, _ = (await env.run(ComputingWorkflow.run)).splitlines()
    assert first == second == "success: computed"
