"""A workflow that is cancelled while its agent waits: it ends Cancelled, and what it waited for is told."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, tool
from strands.hooks import (
    AfterInvocationEvent,
    AfterToolsEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.multiagent import GraphBuilder, Swarm
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.workflow import ActivityCancellationType

from strands_temporal import TemporalAgent
from strands_temporal._workflow.activity_hook import activity_as_hook
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.activity import heartbeating
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool, use_tools

pytestmark = pytest.mark.server

SOON = 45
"""Seconds within which something must have happened that takes about one on a quiet machine."""

TOLD_FAST: Any = {"heartbeat_timeout": timedelta(seconds=2)}

TOLD_SURELY: Any = {"heartbeat_timeout": timedelta(seconds=6)}
"""Where what the activity says counts: heartbeats go at 80 % of this, and a busy machine needs the rest."""

started: "defaultdict[str, asyncio.Event]" = defaultdict(asyncio.Event)
stopped: "defaultdict[str, asyncio.Event]" = defaultdict(asyncio.Event)
"""What runs on the worker and waits, by name."""


@pytest.fixture(autouse=True)
def nothing_runs() -> None:
    started.clear()
    stopped.clear()


async def until_cancelled(name: str) -> None:
    started[name].set()
    try:
        await asyncio.Event().wait()
    finally:
        stopped[name].set()


@activity.defn
async def never_ends(name: str) -> str:
    """Run until it is cancelled.

    Args:
        name: Who runs.
    """
    with heartbeating():
        await until_cancelled(name)
    return "not reached"


@activity.defn
async def cleans_up(name: str) -> str:
    """Run until it is cancelled, and end in an orderly way.

    Args:
        name: What to do then.
    """
    with heartbeating():
        try:
            await until_cancelled(name)
        except asyncio.CancelledError:
            if name == "stubborn":
                await started["released"].wait()
            if name == "fails":
                raise ApplicationError("the clean-up failed", non_retryable=True) from None
    return "cleaned up"


@activity.defn
async def hook_started(name: str) -> None:
    """A hook's activity that never ends by itself."""
    with heartbeating():
        await until_cancelled(name)


@tool
async def sleeper() -> str:
    """Sleep for an hour, in the workflow."""
    await asyncio.sleep(3600)
    return "slept"


class SlowGuard(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        guard: Any = activity_as_hook(hook_started, activity_input=lambda event: "hook", **TOLD_FAST)
        registry.add_callback(BeforeToolCallEvent, guard)


class Audit(HookProvider):
    """After what happened, so also while a cancellation passes by."""

    def __init__(self, event_type: type[Any]) -> None:
        self.event_type = event_type

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        after: Any = activity_as_hook(audit, activity_input=lambda event: "audit", **TOLD_FAST)
        registry.add_callback(self.event_type, after)


@activity.defn
async def audit(name: str) -> None:
    stopped[name].set()


@tool
async def echo(text: str) -> str:
    """Echo."""
    return text


def slow_tool(**options: Any) -> Any:
    return activity_as_tool(never_ends, **TOLD_FAST, **options)


def agent(model: str = "model", **arguments: Any) -> TemporalAgent:
    return TemporalAgent(model, callback_handler=None, **TOLD_FAST, **arguments)


def sub_agent() -> Any:
    return agent("sub", name="helper").as_tool()


BUILD: dict[str, Callable[[], Any]] = {
    "model": agent,
    "plain agent": lambda: Agent(TemporalAgent("model", **TOLD_FAST).model, callback_handler=None),
    "tool, concurrent": lambda: agent(tools=[slow_tool()], tool_executor=ConcurrentToolExecutor()),
    "tool, sequential": lambda: agent(tools=[slow_tool()], tool_executor=SequentialToolExecutor()),
    "three tools": lambda: agent(tools=[slow_tool()]),
    "three tools, sequential": lambda: agent(tools=[slow_tool()], tool_executor=SequentialToolExecutor()),
    "hook": lambda: agent(tools=[echo], hooks=[SlowGuard()]),
    "hook after the tools": lambda: agent(tools=[slow_tool()], hooks=[Audit(AfterToolsEvent)]),
    "audited": lambda: agent(hooks=[Audit(AfterInvocationEvent)]),
    "timer": lambda: agent(tools=[sleeper]),
    "sub-agent": lambda: agent(tools=[sub_agent()]),
    "sub-agent, sequential": lambda: agent(tools=[sub_agent()], tool_executor=SequentialToolExecutor()),
    "graph": lambda: graph(None),
    "graph with a node time-out": lambda: graph(600),
    "swarm": lambda: Swarm([agent("sub", name="one")], node_timeout=600),
    "waits for the clean-up": lambda: agent(
        tools=[
            activity_as_tool(
                cleans_up,
                **TOLD_SURELY,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        ]
    ),
    "abandons": lambda: agent(tools=[slow_tool(cancellation_type=ActivityCancellationType.ABANDON)]),
}


def graph(node_timeout: float | None) -> Any:
    builder = GraphBuilder()
    builder.add_node(agent("sub", name="one"), "one")
    builder.add_node(agent(name="two"), "two")
    builder.set_max_node_executions(10)
    if node_timeout is not None:
        builder.set_node_timeout(node_timeout)
    return builder.build()


def waits(name: str) -> Callable[[ScriptedCall], Reply]:
    return lambda call: say("too late").when(lambda: until_cancelled(name))


def first_then_waits(first: Reply) -> Callable[[ScriptedCall], Reply]:
    return lambda call: first if len(call.messages) == 1 else waits("a second model call")(call)


TOOL = first_then_waits(use_tool("never_ends", {"name": "a"}))
TOOLS = first_then_waits(use_tools([("never_ends", {"name": n}, n) for n in "abc"]))
SUB_AGENT = first_then_waits(use_tool("helper", {"input": "help"}))


@workflow.defn
class Waiting:
    """Builds what a case names, calls it, and never catches a cancellation."""

    @workflow.run
    async def run(self, case: str) -> str:
        return str(await BUILD[case]().invoke_async("go"))


CASES: list[tuple[str, Callable[[ScriptedCall], Reply], list[str], list[str]]] = [
    # case, script of "model", what must have started, what must be told
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
    ("graph with a node time-out", waits("model"), ["sub", "model"], ["sub", "model"]),
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
            assert await closed_activities(handle) == 2  # the model's and the tool's, which was waited for
        await env.assert_replays(handle)
    assert (len(model.calls), len(sub.calls)) == calls
    assert not started["a second model call"].is_set()


async def closed_activities(handle: "WorkflowHandle[Any, Any]") -> int:
    history = await handle.fetch_history()
    closed = (EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED)
    return sum(event.event_type in closed for event in history.events)


async def assert_ends_cancelled(handle: "WorkflowHandle[Any, Any]") -> None:
    with pytest.raises(WorkflowFailureError) as failure:
        await asyncio.wait_for(handle.result(), SOON)
    assert isinstance(failure.value.cause, CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED


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
    """Its tool waits for a timer; nothing runs on the worker then."""

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


# --- What catches the cancellation goes on


@workflow.defn
class Catching:
    """Catches the cancellation and calls its agent again."""

    @workflow.run
    async def run(self, case: str) -> dict[str, Any]:
        self.agent = BUILD[case]()
        try:
            await self.agent.invoke_async("go")
        except asyncio.CancelledError:
            first = [dict(message) for message in self.agent.messages]
        else:
            raise AssertionError("not cancelled")
        result = await self.agent.invoke_async("again")
        return {"first": first, "text": str(result).strip(), "messages": self.agent.messages}


def on_second_turn(first: Reply) -> Callable[[ScriptedCall], Reply]:
    """Answer the second turn; before it ask for `first`."""

    def script(call: ScriptedCall) -> Reply:
        return say("here again") if call.text.endswith("again") else first

    return script


@pytest.mark.parametrize(
    ("case", "first", "running"),
    [
        ("model", say("too late").when(lambda: until_cancelled("model")), "model"),
        ("tool, concurrent", use_tool("never_ends", {"name": "a"}), "a"),
        ("tool, sequential", use_tool("never_ends", {"name": "a"}), "a"),
        ("sub-agent", use_tool("helper", {"input": "help"}), "sub"),
        ("hook", use_tool("echo", {"text": "x"}), "hook"),
        ("waits for the clean-up", use_tool("cleans_up", {"name": "a"}), "a"),
    ],
)
async def test_an_agent_that_was_cancelled_is_usable_and_its_messages_are_valid(
    agents: Agents, case: str, first: Reply, running: str
) -> None:
    model, sub = ScriptedModel(on_second_turn(first)), ScriptedModel(waits("sub"))
    models = {"model": lambda: model, "sub": lambda: sub}
    activities = [never_ends, cleans_up, hook_started]
    async with agents(workflows=[Catching], activities=activities, models=models) as env:
        handle = await env.start(Catching.run, case)
        await asyncio.wait_for(started[running].wait(), SOON)
        await handle.cancel()
        seen = await asyncio.wait_for(handle.result(), SOON)
        await env.assert_replays(handle)
    assert seen["text"] == "here again"
    assert_valid(seen["messages"])
    assert model.calls[-1].messages == [
        {"role": message["role"], "content": message["content"]} for message in seen["messages"][:-1]
    ]


def assert_valid(messages: list[Any]) -> None:
    """Each tool use has its result in the next message."""
    nothing: Any = {"content": []}
    for message, following in itertools.pairwise([*messages, nothing]):
        uses = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        results = [
            block["toolResult"]["toolUseId"] for block in following["content"] if "toolResult" in block
        ]
        assert uses == results


@workflow.defn
class CancelledTwice:
    """The second cancellation comes while the first is still waited for."""

    @workflow.run
    async def run(self) -> str:
        agent = BUILD["waits for the clean-up"]()
        turn = asyncio.create_task(agent.invoke_async("go"))
        await workflow.wait_condition(lambda: self.cancelled == 1)
        turn.cancel()
        await workflow.wait_condition(lambda: self.cancelled == 2)
        turn.cancel()
        try:
            await turn
        except asyncio.CancelledError:
            return str(await agent.invoke_async("again")).strip()
        return "not cancelled"

    def __init__(self) -> None:
        self.cancelled = 0

    @workflow.update
    async def cancel_turn(self) -> None:
        self.cancelled += 1


async def test_a_second_cancellation_does_not_wait_for_the_clean_up(agents: Agents) -> None:
    model = ScriptedModel(on_second_turn(use_tool("cleans_up", {"name": "stubborn"})))
    async with agents(
        workflows=[CancelledTwice], activities=[cleans_up], models={"model": lambda: model}
    ) as env:
        handle = await env.start(CancelledTwice.run)
        await asyncio.wait_for(started["stubborn"].wait(), SOON)
        await handle.execute_update(CancelledTwice.cancel_turn)
        await asyncio.wait_for(stopped["stubborn"].wait(), SOON)
        await handle.execute_update(CancelledTwice.cancel_turn)
        assert await asyncio.wait_for(handle.result(), SOON) == "here again"
        started["released"].set()
        await env.assert_replays(handle)


@workflow.defn
class LeftReader:
    """Reads an agent's events and leaves before they end."""

    @workflow.run
    async def run(self) -> str:
        agent = BUILD["audited"]()
        events = agent.stream_async("go")
        async for event in events:
            if "data" in event:
                break
        await events.aclose()
        return str(await agent.invoke_async("again")).strip()


async def test_a_reader_that_leaves_frees_the_agent(agents: Agents) -> None:
    model = ScriptedModel(say("one two three", chunk=4), say("here again"))
    models = {"model": lambda: model}
    async with agents(workflows=[LeftReader], activities=[audit], models=models) as env:
        assert await env.run(LeftReader.run) == "here again"
        history = await env.handles[0].fetch_history()
    types = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    assert [name for name in types if name] == ["invoke_model", "audit", "invoke_model", "audit"]


@workflow.defn
class InHandler:
    """Its turns run in an update handler, which a cancellation of the workflow does not reach."""

    def __init__(self) -> None:
        self.agent = BUILD["model"]()

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def ask(self) -> str:
        return str(await self.agent.invoke_async("go"))


async def test_a_turn_in_a_handler_ends_with_its_workflow_and_is_told(agents: Agents) -> None:
    model = ScriptedModel(waits("model"))
    async with agents(workflows=[InHandler], models={"model": lambda: model}) as env:
        handle = await env.start(InHandler.run)
        accepted = WorkflowUpdateStage.ACCEPTED
        await handle.start_update(InHandler.ask, wait_for_stage=accepted)
        await asyncio.wait_for(started["model"].wait(), SOON)
        await handle.cancel()
        await assert_ends_cancelled(handle)
        await asyncio.wait_for(stopped["model"].wait(), SOON)
        await env.assert_replays(handle)
    assert len(model.calls) == 1
