"""`agent.cancel()` and `cancel_signal=` in a workflow: who cancels, how fast, and what is left in history."""

import asyncio
import threading
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.cancel_agent_scenes import (
    ONE,
    Never,
    begin,
    do,
    have_acted,
    take,
    until_acted,
    until_under_way,
)
from packages.core.tests.workflow.cancel_scenes import (
    SOON,
    TOLD_FAST,
    TOLD_SURELY,
    started,
    stopped,
    until_cancelled,
)
from packages.core.tests.workflow.cancel_scenes import nothing_runs as nothing_runs
from strands import Agent, ToolContext, tool
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.workflow import ActivityCancellationType

from strands_temporal import TemporalAgent
from strands_temporal.activity import heartbeating
from strands_temporal.testing import Reply, ScriptedModel, say, use_tool
from strands_temporal.workflow import CancelSignal, activity_as_tool

# --- In a workflow: who cancels, how fast, and what is left in history


class CancelHandlers:
    """A client's ways to cancel an agent."""

    def __init__(self) -> None:
        self.signal: Any = None
        self.agent: TemporalAgent | None = None

    @workflow.update
    async def cancel(self) -> None:
        assert self.agent is not None
        if self.signal is not None:
            self.signal.set()
        else:
            self.agent.cancel()

    @workflow.signal
    async def cancel_by_signal(self) -> None:
        assert self.agent is not None
        self.agent.cancel()

    @workflow.query
    def cancel_by_query(self) -> None:
        assert self.agent is not None
        self.agent.cancel()


@workflow.defn
class Cancellable(CancelHandlers):
    """Two turns of an agent; the first one is cancelled."""

    @workflow.run
    async def run(self, signal: str | None = None, preset: bool = False) -> list[Any]:
        if signal == "CancelSignal":
            self.signal = CancelSignal()
        elif signal == "asyncio.Event":
            self.signal = asyncio.Event()
        elif signal == "threading.Event":
            self.signal = threading.Event()
        if preset:
            self.signal.set()
        wait = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        tools = [
            activity_as_tool(Never.ends_late, **TOLD_FAST),
            activity_as_tool(tidies_up, **TOLD_SURELY, cancellation_type=wait),
            waits_for_the_signal,
        ]
        self.agent = TemporalAgent("model", callback_handler=None, tools=tools, **TOLD_FAST)
        first = await self.agent.invoke_async("go", cancel_signal=self.signal)
        if self.signal is not None:
            assert self.signal.is_set()
            self.signal.clear()
        second = await self.agent.invoke_async("again", cancel_signal=self.signal)
        return [first.stop_reason, str(second).strip(), _results(self.agent.messages)]


def _results(messages: Any) -> list[str]:
    return [
        block["toolResult"]["content"][0]["text"]
        for message in messages
        for block in message["content"]
        if "toolResult" in block
    ]


@activity.defn
async def tidies_up(name: str) -> str:
    """Tidy up when cancelled.

    Args:
        name: How.
    """
    with heartbeating():
        try:
            await until_cancelled(name)
        except asyncio.CancelledError:
            if name == "fails":
                raise ApplicationError("the clean-up failed", non_retryable=True) from None
    return "tidied up"


@tool(context=True)
def waits_for_the_signal(tool_context: ToolContext[Any]) -> str:
    """Wait for the cancel signal, as a plain tool in a thread may.

    Args:
        tool_context: Of Strands.
    """
    return f"set: {tool_context.cancel_signal.wait(1)}"


def on_first_turn(first: Reply) -> ScriptedModel:
    return ScriptedModel(lambda call: say("here again") if call.text.endswith("again") else first)


WAITING_MODEL = say("too late").when(lambda: until_cancelled("model"))
ACTIVITIES = [Never().ends_late, tidies_up]


@pytest.mark.server
@pytest.mark.parametrize(
    ("first", "running", "results"),
    [
        (WAITING_MODEL, "model", []),
        (ONE, "a", ["Tool execution cancelled"]),
        (use_tool("tidies_up", {"name": "b"}), "b", ["tidied up"]),
        (use_tool("tidies_up", {"name": "fails"}), "fails", ["Tool execution cancelled"]),
    ],
    ids=["model", "tool", "tool that tidies up", "tool that fails to"],
)
async def test_a_client_cancels_the_agent_and_the_activity_is_told(
    agents: Agents, first: Reply, running: str, results: list[str]
) -> None:
    model = on_first_turn(first)
    async with agents(workflows=[Cancellable], activities=ACTIVITIES, models={"model": lambda: model}) as env:
        handle = await env.start(Cancellable.run)
        await asyncio.wait_for(started[running].wait(), SOON)
        await handle.execute_update(Cancellable.cancel)
        assert await asyncio.wait_for(handle.result(), SOON) == ["cancelled", "here again", results]
        await asyncio.wait_for(stopped[running].wait(), SOON)
        await env.assert_replays(handle)
        history = await handle.fetch_history()
    assert not [e for e in history.events if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
    assert [call.text for call in model.calls] == ["go", "again"]


@pytest.mark.server
@pytest.mark.parametrize("signal", ["CancelSignal", "asyncio.Event", "threading.Event"])
@pytest.mark.parametrize("preset", [False, True], ids=["set later", "set before"])
async def test_a_cancel_signal_of_the_workflow_cancels_without_a_timer(
    agents: Agents, signal: str, preset: bool
) -> None:
    # Temporal's sandbox forbids making a threading.Event.
    options: Any = {"workflow_runner": UnsandboxedWorkflowRunner()} if signal == "threading.Event" else {}
    model = on_first_turn(WAITING_MODEL)
    models = {"model": lambda: model}
    async with agents(workflows=[Cancellable], activities=ACTIVITIES, models=models, **options) as env:
        handle = await env.start(Cancellable.run, signal, preset)
        if not preset:
            await asyncio.wait_for(started["model"].wait(), SOON)
            await handle.execute_update(Cancellable.cancel)
        assert await asyncio.wait_for(handle.result(), SOON) == ["cancelled", "here again", []]
        history = await handle.fetch_history()
        if not options:
            await env.assert_replays(handle)
    assert not [e for e in history.events if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
    assert len(model.calls) == (1 if preset else 2)  # a turn cancelled before it costs nothing


@pytest.mark.server
async def test_a_query_cannot_cancel_what_a_replay_would_not(agents: Agents) -> None:
    model = on_first_turn(WAITING_MODEL)
    async with agents(workflows=[Cancellable], activities=ACTIVITIES, models={"model": lambda: model}) as env:
        handle = await env.start(Cancellable.run)
        await asyncio.wait_for(started["model"].wait(), SOON)
        with pytest.raises(WorkflowQueryFailedError, match="Cancel it from a signal or an update"):
            await handle.query(Cancellable.cancel_by_query)
        assert not stopped["model"].is_set()
        await handle.signal(Cancellable.cancel_by_signal)
        assert (await asyncio.wait_for(handle.result(), SOON))[0] == "cancelled"
        await env.assert_replays(handle)


@pytest.mark.server
async def test_a_plain_tool_that_would_block_on_the_signal_is_told_what_to_write(agents: Agents) -> None:
    model = ScriptedModel(use_tool("waits_for_the_signal", {}), say("done"), say("here again"))
    async with agents(workflows=[Cancellable], activities=ACTIVITIES, models={"model": lambda: model}) as env:
        _, _, (result,) = await env.run(Cancellable.run)
    assert "await workflow.wait_condition(signal.is_set)" in result


# --- Two events at once reach the workflow in one task, as after a worker's restart


@workflow.defn
class Elsewhere(CancelHandlers):
    """Runs its activities on another queue, so that they continue while the workflow has no worker."""

    @workflow.run
    async def run(self, queue: str) -> list[Any]:
        tool = activity_as_tool(Never.ends_late, task_queue=queue, **TOLD_FAST)
        options: Any = {"task_queue": queue, **TOLD_FAST}
        self.agent = TemporalAgent("model", callback_handler=None, tools=[tool], **options)
        result = await self.agent.invoke_async("go")
        second = await self.agent.invoke_async("again")
        return [result.stop_reason, str(second).strip(), _results(self.agent.messages)]


class Gate:
    """An activity that ends on the test's signal."""

    def __init__(self) -> None:
        self.open = asyncio.Event()

    @activity.defn(name="never")
    async def ends_late(self, name: str) -> str:
        started[name].set()
        with heartbeating():
            await self.open.wait()
        stopped[name].set()
        return "ended all the same"


@pytest.mark.server
@pytest.mark.parametrize("of", ["model", "tool"])
@pytest.mark.parametrize(
    "what", ["agent.cancel() and the answer", "agent.cancel() and the workflow's cancel"]
)
async def test_two_things_at_once(agents: Agents, of: str, what: str) -> None:
    gate = Gate()

    async def answered() -> None:
        started["model"].set()
        await gate.open.wait()
        stopped["model"].set()

    model = on_first_turn(say("too late").when(answered) if of == "model" else ONE)
    running = "model" if of == "model" else "a"
    models = {"model": lambda: model}
    async with agents(workflows=[Cancellable], activities=[gate.ends_late], models=models) as elsewhere:
        async with agents(workflows=[Elsewhere], models=models) as env:
            handle = await env.start(Elsewhere.run, elsewhere.task_queue)
            await asyncio.wait_for(started[running].wait(), SOON)
            queue = env.task_queue
        await handle.signal(Elsewhere.cancel_by_signal)
        if what == "agent.cancel() and the answer":
            gate.open.set()
            await asyncio.wait_for(stopped[running].wait(), SOON)
            await asyncio.wait_for(_answered(handle), SOON)
        else:
            await handle.cancel()
        async with agents(workflows=[Elsewhere], models=models, task_queue=queue) as env:
            if what == "agent.cancel() and the answer":
                results = [] if of == "model" else ["ended all the same"]
                expected = ["cancelled", "here again", results]
                assert await asyncio.wait_for(handle.result(), SOON) == expected
            else:
                with pytest.raises(WorkflowFailureError) as failure:
                    await asyncio.wait_for(handle.result(), SOON)
                assert isinstance(failure.value.cause, CancelledError)
                assert [call.text for call in model.calls] == ["go"]
            await env.assert_replays(handle)
        gate.open.set()


async def _answered(handle: Any) -> None:
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            return


# --- A second call with the same idempotency token waits for the first


async def same_twice(agent: Agent, cancel: bool) -> list[Any]:
    """Call the agent twice with one token, and end the first call early."""
    await do(begin)
    token = "the same request"
    first = asyncio.create_task(agent.invoke_async("go", idempotency_token=token))
    second = asyncio.create_task(agent.invoke_async("go", idempotency_token=token))
    await do(until_under_way)
    if cancel:
        first.cancel()
    await do(have_acted)
    ended = await asyncio.gather(first, second, return_exceptions=True)
    return [type(end).__name__ if isinstance(end, BaseException) else str(end).strip() for end in ended]


@workflow.defn
class SameTwice:
    @workflow.run
    async def run(self, cancel: bool) -> list[Any]:
        return await same_twice(TemporalAgent("model", callback_handler=None, **TOLD_FAST), cancel)


@pytest.mark.server
@pytest.mark.parametrize("cancel", [False, True], ids=["ends", "is cancelled"])
async def test_a_duplicate_call_ends_with_the_first(agents: Agents, cancel: bool) -> None:
    def model() -> ScriptedModel:
        return ScriptedModel(say("once").when(until_acted))

    async with agents(workflows=[SameTwice], activities=[take], models={"model": model}) as env:
        durable = await asyncio.wait_for(env.run(SameTwice.run, cancel), SOON)
    plain = await same_twice(Agent(model(), callback_handler=None), cancel)
    assert durable == plain
    assert durable == (["CancelledError", "IdempotencyAbortedError"] if cancel else ["once", "once"])


# --- Outside a workflow


def test_outside_a_workflow_a_cancel_signal_is_an_event() -> None:
    signal = CancelSignal()
    assert signal.wait(0) is False
    threading.Thread(target=signal.set).start()
    assert signal.wait(SOON)
    signal.clear()
    assert not signal.is_set()
