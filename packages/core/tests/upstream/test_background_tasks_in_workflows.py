"""`background_tasks=`: what is special in workflows, from timers in history to continue-as-new."""

import asyncio
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.upstream.background_scenes import CACHES, add, delivered, gate, gates, research, told
from strands import tool
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


@workflow.defn
class BackgroundWorkflow:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled = False
        self.agent: TemporalAgent | None = None

    @workflow.run
    async def run(self, config: dict[str, Any], prompts: list[str]) -> list[Any]:
        agent = TemporalAgent(
            "m",
            tools=[activity_as_tool(research, heartbeat_timeout=timedelta(seconds=5)), add],
            background_tasks=config,  # pyright: ignore[reportArgumentType]  # as decoded from JSON
            callback_handler=None,
        )
        self.agent = agent
        said: list[Any] = []
        for prompt in prompts:
            await workflow.wait_condition(lambda prompt=prompt: prompt in ["go", *self.asked])
            result = await agent.invoke_async(prompt)
            said.append([result.stop_reason, str(result).strip()])
        ids = [message.get("tracking_id") for message in agent.messages]
        tasks = [
            content["json"]
            for message in agent.messages
            for block in message["content"]
            for content in block.get("toolResult", {}).get("content", [])
            if "json" in content
        ]
        return [said, ids, tasks]

    @workflow.signal
    def ask(self, prompt: str) -> None:
        self.asked.append(prompt)

    @workflow.signal
    def cancel(self) -> None:
        if self.agent is not None:
            self.agent.cancel()


def environment(agents: Agents, model: ScriptedModel, **more: Any) -> Any:
    gates.clear()
    return agents(workflows=[BackgroundWorkflow], activities=[research], models={"m": lambda: model}, **more)


def reached(completed: int) -> Callable[[Any], bool]:
    return lambda history: count_of(history, COMPLETED) >= completed


def count_of(history: Any, kind: Any) -> int:
    return sum(event.event_type == kind for event in history.events)


async def test_no_timer_is_in_history_and_ids_and_times_are_the_runs(agents: Agents) -> None:
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"), delivered)
    async with environment(agents, model, max_cached_workflows=0) as env:
        handle = await env.start(BackgroundWorkflow.run, {"always": ["research"]}, ["go"])
        await until(handle, reached(2))  # the agent waits for its task
        await handle.signal(BackgroundWorkflow.ask, "nothing, but a task of the workflow")
        await until(handle, lambda history: count_of(history, WORKFLOW_TASK) == 4)
        gate("sky").set()
        _, ids, (task,) = await handle.result()
        await env.assert_replays(handle)
        history = await handle.fetch_history()
    assert count_of(history, EventType.EVENT_TYPE_TIMER_STARTED) == 0
    assert count_of(history, SCHEDULED) == 4
    assert count_of(history, WORKFLOW_TASK) == 6
    assert len(set(ids)) == len(ids)
    # What the model learned in the run, and what the workflow knows after its replay.
    assert f"Task ID: {task['task_id']}" in model.calls[1].text
    (told_of,) = [
        content["json"]
        for block in model.calls[2].messages[-1]["content"]
        for content in block.get("toolResult", {}).get("content", [])
        if "json" in content
    ]
    assert told_of == task
    assert uuid.UUID(task["task_id"]).version == 4
    assert task["created_at"] < task["last_updated_at"]


async def test_without_waiting_the_result_comes_with_the_next_turn(agents: Agents) -> None:
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"), delivered)
    async with environment(agents, model) as env:
        handle = await env.start(
            BackgroundWorkflow.run, {"always": ["research"], "wait_for_completion": False}, ["go", "next"]
        )
        await until(handle, reached(2))  # the first turn is over; else its model would get the result
        gate("sky").set()
        await until(handle, reached(3))
        await handle.signal(BackgroundWorkflow.ask, "next")
        said, *_ = await handle.result()
        await env.assert_replays(handle)
    assert said[0] == ["end_turn", "meanwhile"]
    assert json.loads(said[1][1]) == [["completed", None, [{"text": "sky is blue"}]]]


SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
WORKFLOW_TASK = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
STARTED = EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
COMPLETED = EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED


async def until(handle: Any, reached: Callable[[Any], bool]) -> None:
    """Wait until `reached` returns true for the history and the workflow is idle."""
    async for _ in handle.fetch_history_events(wait_new_event=True):
        history = await handle.fetch_history()
        at_rest = (EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, SCHEDULED, STARTED)
        if reached(history) and history.events[-1].event_type in at_rest:
            return
    raise AssertionError("the workflow ended first")


@workflow.defn
class HandOverWorkflow:
    """Passes its conversation to the next run while a task runs."""

    @workflow.run
    async def run(self) -> list[str]:
        first = self.agent()
        await first.invoke_async("go")
        second = self.agent(carry=first.carry())
        return [str(await second.invoke_async("next")).strip()]

    def agent(self, **more: Any) -> TemporalAgent:
        return TemporalAgent(
            "m",
            tools=[activity_as_tool(research)],
            background_tasks={"always": ["research"], "wait_for_completion": False},
            callback_handler=None,
            **more,
        )


async def test_a_task_that_runs_at_a_hand_over_has_failed_and_the_model_is_told(agents: Agents) -> None:
    gates.clear()
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"), delivered)
    async with agents(
        workflows=[HandOverWorkflow], activities=[research], models={"m": lambda: model}
    ) as env:
        (said,) = await env.run(HandOverWorkflow.run)
        gate("sky").set()
    message = "Background task cannot resume after restoring persisted state"
    assert json.loads(said) == [["failed", {"type": "execution_error", "message": message}, []]]


async def test_agent_cancel_ends_the_wait(agents: Agents) -> None:
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"))
    async with environment(agents, model) as env:
        handle = await env.start(BackgroundWorkflow.run, {"always": ["research"]}, ["go"])
        await until(handle, lambda history: count_of(history, COMPLETED) == 2)
        await handle.signal(BackgroundWorkflow.cancel)
        said, *_ = await asyncio.wait_for(handle.result(), 20)
        await env.assert_replays(handle)
        gate("sky").set()
    assert said == [["end_turn", "meanwhile"]]


@CACHES
async def test_a_cancelled_workflow_ends_cancelled_and_the_task_is_told(agents: Agents, cache: Any) -> None:
    told.clear()
    more = {} if cache is None else {"max_cached_workflows": cache}
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"))
    async with environment(agents, model, **more) as env:
        handle = await env.start(BackgroundWorkflow.run, {"always": ["research"]}, ["go"])
        await until(handle, lambda history: count_of(history, COMPLETED) == 2)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 20)
        assert isinstance(failure.value.cause, CancelledError)
        await env.assert_replays(handle)
    assert told == ["sky"]


async def test_a_time_limit_is_a_timer_and_fails_the_task(agents: Agents) -> None:
    told.clear()
    model = ScriptedModel(use_tool("research", {"topic": "sky"}), say("meanwhile"), delivered)
    async with environment(agents, model) as env:
        handle = await env.start(BackgroundWorkflow.run, {"always": ["research"], "timeout": 2}, ["go"])
        said, *_ = await handle.result()
        await env.assert_replays(handle)
    assert json.loads(said[0][1]) == [
        ["failed", {"type": "timeout", "message": "Timed out after 2.0s"}, []]
    ] or json.loads(said[0][1]) == [["failed", {"type": "timeout", "message": "Timed out after 2s"}, []]]
    assert told == ["sky"]


@tool
async def nap() -> str:
    """Sleep, and watch nothing."""
    await asyncio.sleep(3600)
    return "slept"


@workflow.defn
class NapWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "m",
            tools=[nap, add],
            background_tasks={"always": ["nap", "add"], "max_concurrency": 1, "timeout": 1},
            callback_handler=None,
        )
        return str(await agent.invoke_async("go")).strip()


async def test_a_tool_in_the_workflow_that_is_late_frees_its_place(agents: Agents) -> None:
    model = ScriptedModel(
        use_tools([("nap", {}, "t1"), ("add", {"a": 1, "b": 2}, "t2")]), say("meanwhile"), delivered
    )
    async with agents(workflows=[NapWorkflow], models={"m": lambda: model}) as env:
        said = json.loads(await asyncio.wait_for(env.run(NapWorkflow.run), 30))
    assert [entry[0] for entry in said] == ["failed", "completed"]


async def test_no_more_run_at_once_than_allowed(agents: Agents) -> None:
    model = ScriptedModel(
        use_tools([("research", {"topic": topic}, topic) for topic in ("a", "b", "c")]),
        say("meanwhile"),
        *[delivered] * 3,
    )
    async with environment(agents, model) as env:
        handle = await env.start(
            BackgroundWorkflow.run, {"always": ["research"], "max_concurrency": 1}, ["go"]
        )
        for done, topic in enumerate("abc"):
            gates.setdefault(topic, asyncio.Event())
            await until(handle, reached(2 + done))
            running = {
                json.loads(event.activity_task_scheduled_event_attributes.input.payloads[0].data)
                for event in (await handle.fetch_history()).events
                if event.event_type == SCHEDULED
                and event.activity_task_scheduled_event_attributes.activity_type.name == "research"
            }
            assert running == set("abc"[: done + 1])
            gate(topic).set()
        said, *_ = await handle.result()
        await env.assert_replays(handle)
    assert [entry[0] for entry in json.loads(said[0][1])] == ["completed"] * 3
