"""A workflow that is cancelled while its agent waits ends Cancelled, and the calls in flight learn of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.cancel_scenes import SOON, started, stopped
from packages.core.tests.workflow.cancel_scenes import nothing_runs as nothing_runs
from packages.core.tests.workflow.cancel_workflow_scenes import (
    BUILD,
    assert_ends_cancelled,
    audit,
    cleans_up,
    hook_started,
    never_ends,
    waits,
)
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, use_tool, use_tools

pytestmark = pytest.mark.server


def first_then_waits(first: Reply) -> Callable[[ScriptedCall], Reply]:
    return lambda call: first if len(call.messages) == 1 else waits("a second model call")(call)


TOOL = first_then_waits(use_tool("never_ends", {"name": "a"}))
TOOLS = first_then_waits(use_tools([("never_ends", {"name": n}, n) for n in "abc"]))
SUB_AGENT = first_then_waits(use_tool("helper", {"input": "help"}))


@workflow.defn
class Waiting:
    """Builds the agent of a case, calls it, and never catches a cancellation."""

    @workflow.run
    async def run(self, case: str) -> str:
        return str(await BUILD[case]().invoke_async("go"))


CASES: list[tuple[str, Callable[[ScriptedCall], Reply], list[str], list[str]]] = [
    # case, script of "model", calls that must start, calls that must learn of the cancellation
    ("model", waits("model"), ["model"], ["model"]),
    ("plain agent", waits("model"), ["model"], ["model"]),
    ("tool, concurrent", TOOL, ["a"], ["a"]),
    ("tool, sequential", TOOL, ["a"], ["a"]),
    ("three tools", TOOLS, ["a", "b", "c"], ["a", "b", "c"]),
    ("three tools, sequential", TOOLS, ["a"], ["a"]),
    ("hook", first_then_waits(use_tool("echo", {"text": "x"})), ["hook"], ["hook"]),
    ("hook after the tools", TOOL, ["a"], ["a", "audit"]),
    ("sub-agent", SUB_AGENT, ["sub"], ["sub"]),
    ("sub-agent, sequential", SUB_AGENT, ["sub"], ["sub"]),
    ("graph", waits("model"), ["sub", "model"], ["sub", "model"]),
    ("graph with a node timeout", waits("model"), ["sub", "model"], ["sub", "model"]),
    ("swarm", waits("never called"), ["sub"], ["sub"]),
    ("waits for the clean-up", first_then_waits(use_tool("cleans_up", {"name": "a"})), ["a"], ["a"]),
    ("waits for the clean-up", first_then_waits(use_tool("cleans_up", {"name": "fails"})), ["fails"], []),
]


@pytest.mark.parametrize(
    ("case", "script", "running", "told"),
    CASES,
    ids=[f"{case}-{''.join(running)}" for case, _, running, _ in CASES],
)
async def test_the_workflow_ends_cancelled_and_what_ran_is_told(
    agents: Agents,
    case: str,
    script: Callable[[ScriptedCall], Reply],
    running: list[str],
    told: list[str],
) -> None:
    model, sub = ScriptedModel(script), ScriptedModel(waits("sub"))
    models = {"model": lambda: model, "sub": lambda: sub}
    activities = [never_ends, cleans_up, hook_started, audit]
    async with agents(workflows=[Waiting], activities=activities, models=models) as env:
        handle = await env.start(Waiting.run, case)
        for name in running:
            await asyncio.wait_for(started[name].wait(), SOON)
        calls = len(model.calls), len(sub.calls)
        await handle.cancel()
        await assert_ends_cancelled(handle)
        for name in told:
            await asyncio.wait_for(stopped[name].wait(), SOON)
        if case == "waits for the clean-up":
            assert await closed_activities(handle) == 2  # the model's and the tool's, which was awaited
        await env.assert_replays(handle)
    assert (len(model.calls), len(sub.calls)) == calls
    assert not started["a second model call"].is_set()


async def closed_activities(handle: "WorkflowHandle[Any, Any]") -> int:
    history = await handle.fetch_history()
    closed = (EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED)
    return sum(event.event_type in closed for event in history.events)


async def test_an_abandoned_activity_is_not_told(agents: Agents) -> None:
    model = ScriptedModel(TOOL)
    async with agents(workflows=[Waiting], activities=[never_ends], models={"model": lambda: model}) as env:
        handle = await env.start(Waiting.run, "abandons")
        await asyncio.wait_for(started["a"].wait(), SOON)
        await handle.cancel()
        await assert_ends_cancelled(handle)
        history = await handle.fetch_history()
        assert not [
            e for e in history.events if e.HasField("activity_task_cancel_requested_event_attributes")
        ]
        await env.assert_replays(handle)


@workflow.defn
class Sleeping(Waiting):
    """The tool waits for a timer, so no activity runs."""

    @workflow.run
    async def run(self, case: str) -> str:
        return await super().run(case)


async def test_a_tool_that_waits_for_a_timer(agents: Agents) -> None:
    model = ScriptedModel(use_tool("sleeper", {}), waits("a second model call"))
    async with agents(workflows=[Sleeping], models={"model": lambda: model}) as env:
        handle = await env.start(Sleeping.run, "timer")
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.HasField("timer_started_event_attributes"):
                break
        await handle.cancel()
        await assert_ends_cancelled(handle)
        await env.assert_replays(handle)
    assert len(model.calls) == 1
