"""The events of graphs and swarms, of failures, and of what hooks and interventions decide."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import of, read_all
from strands import ToolContext, tool
from strands.hooks import (
    BeforeInvocationEvent,
    BeforeNodeCallEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.interventions import Deny, InterventionHandler, Proceed
from strands.multiagent import GraphBuilder, Swarm
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool, use_tools
from strands_temporal_streaming import (
    AgentEnded,
    AgentStarted,
    AgentStream,
    Decision,
    Failed,
    ModelCallEnded,
    ModelCallFailed,
    ModelCallStarted,
    NodeEnded,
    NodeStarted,
    QuestionAsked,
    QuestionDecided,
    StateChanged,
    StreamHooks,
    TextDelta,
    ToolResult,
    TurnEnd,
    TurnStarted,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]


def member(name: str, **options: Any) -> TemporalAgent:
    return TemporalAgent(
        "m", name=name, system_prompt=name, streaming_topic="events", callback_handler=None, **options
    )


@workflow.defn
class Teams:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, kind: str) -> str:
        hooks = StreamHooks(self.stream, "events")
        if kind == "swarm":
            swarm = Swarm([member("first"), member("second")], hooks=[hooks])
            return str((await swarm.invoke_async("go")).status.value)
        inner = GraphBuilder().set_max_node_executions(5)
        inner.add_node(member("deep"), "deep")
        builder = GraphBuilder().set_max_node_executions(5)
        left = builder.add_node(member("left"), "l")
        right = builder.add_node(inner.build(), "r")
        builder.add_edge(left, right)
        builder.set_entry_point("l")
        builder.set_hook_providers([hooks])
        return str((await builder.build().invoke_async("go")).status.value)


def speak(call: ScriptedCall) -> Reply:
    if call.system_prompt == "first" and not call.tool_results:
        return use_tool("handoff_to_agent", {"agent_name": "second", "message": "yours"})
    return say(f"I am {call.system_prompt}")


async def test_nodes_are_events_with_their_paths(agents: Agents) -> None:
    async with agents(workflows=[Teams], models={"m": lambda: ScriptedModel(speak)}) as env:
        handle = await env.start(Teams.run, "graph")
        events = await read_all(AgentStream(env.client, handle.id))
        assert await handle.result() == "completed"
        await env.assert_replays(handle)
        swarm = await env.start(Teams.run, "swarm")
        of_swarm = await read_all(AgentStream(env.client, swarm.id))
        assert await swarm.result() == "completed"
        await env.assert_replays(swarm)
    nodes = [event for event in events if isinstance(event, (NodeStarted, NodeEnded))]
    assert [(type(one).__name__, one.path, getattr(one, "status", "")) for one in nodes] == [
        ("NodeStarted", ("node:l",), ""),
        ("NodeEnded", ("node:l",), "completed"),
        ("NodeStarted", ("node:r",), ""),
        ("NodeStarted", ("node:r", "node:deep"), ""),
        ("NodeEnded", ("node:r", "node:deep"), "completed"),
        ("NodeEnded", ("node:r",), "completed"),
    ]
    assert {(one.text, one.agent, one.path) for one in of(TextDelta, events)} == {
        ("I am left", "left", ("node:l",)),
        ("I am deep", "deep", ("node:r", "node:deep")),
    }
    assert [one.agent for one in of(ModelCallStarted, events)] == ["left", "deep"]
    assert [(one.turn, one.path, one.prompt) for one in of(TurnStarted, events)] == [(1, (), "go")]
    assert [type(one) for one in events[:2]] == [TurnStarted, NodeStarted]
    (end,) = of(TurnEnd, events)
    assert (end.stop_reason, end.result, end.usage["totalTokens"]) == ("end_turn", "I am deep", 30)
    assert [one.node for one in of(NodeEnded, of_swarm)] == ["first", "second"]
    (end,) = of(TurnEnd, of_swarm)
    tokens = sum(one.usage["totalTokens"] for one in of(ModelCallEnded, of_swarm))
    assert (end.result, end.usage["totalTokens"]) == ("I am second", tokens)


@tool(context=True)
def ask(q: str, tool_context: ToolContext) -> str:
    """Ask a person."""
    return f"told {tool_context.interrupt('why', reason=q)}"


def hold(event: BeforeNodeCallEvent) -> None:
    """Ask before the last node."""
    if event.node_id == "b" and event.interrupt("go on", reason="b?") != "yes":
        event.cancel_node = "no b"


@workflow.defn
class AskingTeam:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, fails: bool) -> str:
        builder = GraphBuilder().set_max_node_executions(1 if fails else 5)
        a = builder.add_node(member("asker", tools=[ask]), "a")
        for name in ("b", "c"):
            builder.add_edge(a, builder.add_node(member(name), name))
        builder.set_entry_point("a")
        builder.set_hook_providers([StreamHooks(self.stream, "events"), Holds()])
        team = builder.build()
        result = await team.invoke_async([{"text": "go"}, {"text": "on"}])
        while result.interrupts:
            answers: Any = [
                {"interruptResponse": {"interruptId": one.id, "response": "yes"}} for one in result.interrupts
            ]
            result = await team.invoke_async(answers)
        return str(result.status.value)


class Holds(HookProvider):
    """The hook above."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeNodeCallEvent, hold)


def asks(call: ScriptedCall) -> Reply:
    if call.system_prompt == "asker" and not call.tool_results:
        return use_tool("ask", {"q": "really?"})
    return say(f"I am {call.system_prompt}")


async def test_a_team_that_asks_goes_on_with_its_turn_and_one_that_fails_says_why(agents: Agents) -> None:
    async with agents(workflows=[AskingTeam], models={"m": lambda: ScriptedModel(asks)}) as env:
        handle = await env.start(AskingTeam.run, False)
        events = await read_all(AgentStream(env.client, handle.id))
        assert await handle.result() == "completed"
        await env.assert_replays(handle)
        failing = await env.start(AskingTeam.run, True)
        failed = await read_all(AgentStream(env.client, failing.id))
        assert await failing.result() == "failed"
        await env.assert_replays(failing)
    told = [one for one in events if isinstance(one, (TurnStarted, TurnEnd, QuestionAsked, QuestionDecided))]
    assert [(type(one).__name__, one.turn, getattr(one, "stop_reason", "")) for one in told] == [
        ("TurnStarted", 1, ""),
        ("TurnEnd", 1, "interrupt"),
        ("QuestionAsked", 1, ""),
        ("QuestionDecided", 1, ""),
        ("TurnStarted", 1, ""),
        ("TurnEnd", 1, "interrupt"),
        ("QuestionAsked", 1, ""),
        ("QuestionDecided", 1, ""),
        ("TurnStarted", 1, ""),
        ("TurnEnd", 1, "end_turn"),
    ]
    assert [one.prompt for one in of(TurnStarted, events)] == [[{"text": "go"}, {"text": "on"}], None, None]
    assert [(one.name, one.reason) for one in of(QuestionAsked, events)] == [
        ("why", "really?"),
        ("go on", "b?"),
    ]
    assert [one.interrupts[0].reason for one in of(TurnEnd, events)[:2]] == ["really?", "b?"]
    assert of(TurnEnd, events)[-1].result in ("b: I am b\nc: I am c", "c: I am c\nb: I am b")
    tokens = sum(one.usage["totalTokens"] for one in of(ModelCallEnded, events))
    assert of(TurnEnd, events)[-1].usage["totalTokens"] == tokens
    assert [(one.kind, one.name, one.outcome, one.reason) for one in of(Decision, events)] == [
        ("hook", "go on", "interrupted", "b?")
    ]
    end = of(TurnEnd, failed)[-1]
    assert (end.stop_reason, end.result) == (None, "")
    assert "a limit was reached" in end.error


@tool
def note(word: str) -> str:
    """Note a word."""
    return f"noted {word}"


class Guard(InterventionHandler):
    """Denies what is secret."""

    @property
    def name(self) -> str:
        return "guard"

    def before_tool_call(self, event: BeforeToolCallEvent, **kwargs: Any) -> Any:
        if event.tool_use["input"]["word"] == "secret":
            return Deny(reason="secrets stay")
        return Proceed()


def edit(event: BeforeToolCallEvent) -> None:
    """Change one call, and cancel another."""
    word = event.tool_use["input"]["word"]
    if word == "old":
        event.tool_use["input"]["word"] = "new"
    elif word == "never":
        event.cancel_tool = "not now"
    event.agent.state.set("last", word)


def refuse(event: BeforeInvocationEvent) -> None:
    if event.messages and "stop" in str(event.messages):
        event.cancel = "no turns today"


@workflow.defn
class Decided:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(
            "m",
            tools=[note],
            hooks=[edit, refuse, StreamHooks(self.stream, state=True)],
            interventions=[Guard()],
            streaming_topic="events",
            retry_policy=RetryPolicy(maximum_attempts=1),
            callback_handler=None,
        )
        await agent.invoke_async("go")
        await agent.invoke_async("stop")
        return str(await agent.invoke_async("fail"))


async def test_decisions_failures_and_states_are_events(agents: Agents) -> None:
    words = ("old", "never", "secret", "plain")
    calls = [("note", {"word": word}, word) for word in words]
    model = ScriptedModel(use_tools(calls), say("ok"), fail(ValueError("broken")))
    async with agents(workflows=[Decided], models={"m": lambda: model}) as env:
        handle = await env.start(Decided.run)
        events = await read_all(AgentStream(env.client, handle.id))
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        await env.assert_replays(handle)
    decisions = {
        (one.kind, one.name, one.tool_use_id, one.outcome, one.reason) for one in of(Decision, events)
    }
    assert decisions == {
        ("hook", "BeforeToolCallEvent", "old", "changed", ""),
        ("hook", "BeforeToolCallEvent", "never", "cancelled", "not now"),
        ("intervention", "guard", "secret", "cancelled", "secrets stay"),
        ("hook", "BeforeInvocationEvent", None, "cancelled", "no turns today"),
    }
    assert {one.tool_use_id: one.text for one in of(ToolResult, events)}["old"] == "noted new"
    assert {word for one in of(StateChanged, events) for word in one.changes.values()} <= set(words)
    assert of(StateChanged, events)
    (failed,) = of(ModelCallFailed, events)
    (error,) = of(Failed, events)
    assert (failed.error, error.error) == ("ApplicationError", "ApplicationError")
    assert "broken" in error.message
    ends = [(one.turn, one.stop_reason, one.result) for one in of(TurnEnd, events)]
    assert ends == [(1, "end_turn", "ok"), (2, "end_turn", "no turns today"), (3, None, "")]
    assert "broken" in of(TurnEnd, events)[-1].error


@workflow.defn
class FailingTeam:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> str:
        helper = member("helper", description="Helps.")
        once = RetryPolicy(maximum_attempts=1)
        builder = GraphBuilder().set_max_node_executions(5)
        builder.add_node(member("fails", retry_policy=once), "fails")
        builder.add_node(member("waits", tools=[helper.as_tool()]), "waits")
        builder.set_hook_providers([StreamHooks(self.stream, "events")])
        builder.set_entry_point("fails")
        builder.set_entry_point("waits")
        try:
            return str((await builder.build().invoke_async("go")).status.value)
        except Exception as error:  # noqa: BLE001
            return type(error).__name__


async def test_nodes_that_run_beside_one_that_fails_end_with_it(agents: Agents) -> None:
    helped = asyncio.Event()

    async def play(call: ScriptedCall) -> Reply:
        if call.system_prompt == "waits":
            return use_tool("helper", {"input": "wait"})
        if call.system_prompt == "helper":
            helped.set()
            await asyncio.Event().wait()
        await asyncio.wait_for(helped.wait(), 20)
        return fail(ValueError("broken"))

    async with agents(workflows=[FailingTeam], models={"m": lambda: ScriptedModel(play)}) as env:
        handle = await env.start(FailingTeam.run)
        events = await read_all(AgentStream(env.client, handle.id))
        error = await handle.result()
        await env.assert_replays(handle)
    begun = [one for one in events if isinstance(one, (NodeStarted, AgentStarted))]
    ended = [one for one in events if isinstance(one, (NodeEnded, AgentEnded))]
    assert sorted((type(one).__name__[:4], one.path) for one in begun) == sorted(
        (type(one).__name__[:4], one.path) for one in ended
    ), events
    assert [one.status for one in ended if isinstance(one, NodeEnded)] == ["failed", "failed"]
    (end,) = of(TurnEnd, events)
    assert end.stop_reason is None
    assert error in end.error
    assert isinstance(events[-2], TurnEnd)
