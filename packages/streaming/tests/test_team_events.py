"""The events of graphs and swarms, of failures, and of what hooks and interventions decide."""

from collections.abc import Sequence
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import read_all
from strands import tool
from strands.hooks import BeforeInvocationEvent, BeforeToolCallEvent
from strands.interventions import Deny, InterventionHandler, Proceed
from strands.multiagent import GraphBuilder, Swarm
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool, use_tools
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    Decision,
    Failed,
    ModelCallFailed,
    ModelCallStarted,
    NodeEnded,
    NodeStarted,
    StateChanged,
    StreamHooks,
    TextDelta,
    ToolResult,
    TurnEnd,
    TurnStarted,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]


def of(kind: type[Any], events: Sequence[AgentEvent]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


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
    assert [(one.turn, one.path) for one in of(TurnStarted, events)] == [(1, ())]
    (end,) = of(TurnEnd, events)
    assert (end.stop_reason, end.usage["totalTokens"]) == ("end_turn", 30)
    assert [one.node for one in of(NodeEnded, of_swarm)] == ["first", "second"]


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
        ("intervention", "BeforeToolCallEvent", "secret", "cancelled", "DENIED: secrets stay"),
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
