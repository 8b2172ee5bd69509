"""Sub-agents in child workflows: the caller's stream tells of them, and where to read what they do."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, read_all
from strands import ToolContext, tool
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import SubAgentResult, SubAgentTask, child_workflow
from strands_temporal_streaming import (
    AgentEnded,
    AgentStarted,
    AgentStream,
    ModelCallEnded,
    QuestionAsked,
    Snapshot,
    StreamHooks,
    TextDelta,
    ToolProgress,
    ToolResult,
    ToolStarted,
    TurnEnd,
    TurnStarted,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]


@tool(context=True)
def ask(q: str, tool_context: ToolContext) -> str:
    """Ask a person."""
    return f"told {tool_context.interrupt('why', reason=q)}"


@workflow.defn(name="clerk")
class ClerkWorkflow:
    """Ask the clerk."""

    @workflow.init
    def __init__(self, task: SubAgentTask) -> None:
        self.stream = WorkflowStream()
        self.agent = TemporalAgent(
            "m",
            name="the clerk",
            system_prompt="clerk",
            tools=[ask],
            streaming_topic="events",
            hooks=[StreamHooks(self.stream)],
            carry=task.carry,
            callback_handler=None,
        )

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(self.agent)


@workflow.defn
class HostWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.agent = TemporalAgent(
            "m",
            name="host",
            system_prompt="host",
            tools=[child_workflow(ClerkWorkflow), child_workflow(ClerkWorkflow, name="heir", delegate=True)],
            streaming_topic="events",
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )
        self.done = False

    @workflow.update
    async def turn(self, prompt: str) -> str:
        result = await self.agent.invoke_async(prompt)
        while result.interrupts:
            answers: Any = [
                {"interruptResponse": {"interruptId": one.id, "response": "yes"}} for one in result.interrupts
            ]
            result = await self.agent.invoke_async(answers)
        return f"{result.stop_reason}: {str(result).strip()}"

    @workflow.signal
    async def stop(self) -> None:
        self.agent.cancel()

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.done)


async def office(call: ScriptedCall) -> Reply:
    """The host passes its task on, twice for "both". The clerk asks, fails, hangs or answers."""
    task = call.prompt
    if call.system_prompt == "host":
        if call.tool_results:
            return say(f"host: {call.text}".strip())
        name = "heir" if task == "inherit" else "clerk"
        number = call.answers
        calls = [(name, {"input": task}, f"{name}-{number}-{one}") for one in range(2)]
        return use_tools(calls if task == "both" else calls[:1])
    if task == "hang":
        await asyncio.Event().wait()
    if task == "fail":
        return Reply(error=ValueError("no clerk"))
    if task == "ask" and not call.tool_results:
        return use_tool("ask", {"q": "really?"})
    return say(f"did {call.text}")


Event = Any


def of_agents(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, (AgentStarted, AgentEnded))]


async def turn(stream: AgentStream) -> list[Event]:
    """Read up to the end of a turn that does not pause."""
    events: list[Event] = []
    async for event in stream:
        events.append(event)
        if isinstance(event, TurnEnd) and event.stop_reason != "interrupt":
            return events
    raise AssertionError(events)


async def first_of(kind: type[Any], stream: AgentStream) -> Event:
    async for event in stream:
        if isinstance(event, kind):
            return event
    raise AssertionError(kind)


async def test_a_child_is_told_with_its_workflow_and_its_own_stream_is_there(agents: Agents) -> None:
    workflows = [HostWorkflow, ClerkWorkflow]
    async with agents(workflows=workflows, models={"m": lambda: ScriptedModel(office)}) as env:
        handle = await env.start(HostWorkflow.run)
        stream = AgentStream(env.client, handle.id)

        async def does(prompt: str) -> tuple[str, list[Event]]:
            told = await asyncio.wait_for(handle.execute_update(HostWorkflow.turn, prompt), WAIT)
            return told, await asyncio.wait_for(turn(stream), WAIT)

        # Two at once, each with its own child.
        told, events = await does("both")
        assert told.startswith("end_turn: host: did both")
        first, second, *ended = of_agents(events)
        for one in (first, second):
            assert isinstance(one, AgentStarted)
            assert (one.agent, one.path, one.turn) == ("clerk", ("clerk",), 1)
        assert {first.tool_use_id, second.tool_use_id} == {"clerk-0-0", "clerk-0-1"}
        assert first.workflow_id != second.workflow_id
        assert {(one.tool_use_id, one.workflow_id, one.stop_reason) for one in ended} == {
            (one.tool_use_id, one.workflow_id, "end_turn") for one in (first, second)
        }
        assert [one.usage["totalTokens"] for one in ended] == [15, 15]
        own = [event.usage["totalTokens"] for event in events if isinstance(event, ModelCallEnded)]
        assert events[-1].usage["totalTokens"] == sum(own) + 30  # the host's calls and the clerks'
        kinds = [type(event) for event in events if getattr(event, "tool_use_id", "") == "clerk-0-0"]
        order = [ToolStarted, AgentStarted, AgentEnded, ToolResult]
        assert [kind for kind in kinds if kind in order] == order
        assert ToolProgress not in kinds
        # What it does is in the stream of its own workflow.
        inner = await read_all(AgentStream(env.client, first.workflow_id))
        assert [event.prompt for event in inner if isinstance(event, TurnStarted)] == ["both"]
        assert [event.text for event in inner if isinstance(event, TextDelta)] == ["did both"]
        assert not [event for event in events if getattr(event, "text", "") == "did both" and event.path]

        told, events = await does("inherit")  # a delegate
        assert told == "end_turn: did inherit"
        started, ended_ = of_agents(events)
        assert (started.agent, started.path, ended_.stop_reason) == ("heir", ("heir",), "end_turn")
        assert events[-1].result == "did inherit"

        told, events = await does("fail")
        started, ended_ = of_agents(events)
        assert (ended_.stop_reason, ended_.error) == (None, "ValueError: no clerk")

        told, events = await does("ask")  # the answer starts another child
        assert told == "end_turn: host: did told yes"
        asked, paused, again, done = of_agents(events)
        assert (paused.stop_reason, done.stop_reason) == ("interrupt", "end_turn")
        assert asked.workflow_id == paused.workflow_id == again.workflow_id == done.workflow_id
        assert asked.run_id == paused.run_id != again.run_id == done.run_id
        (question,) = [event for event in events if isinstance(event, QuestionAsked)]
        assert question.reason == "really?"

        hanging = asyncio.create_task(handle.execute_update(HostWorkflow.turn, "hang"))
        begun: Any = await asyncio.wait_for(first_of(AgentStarted, stream), WAIT)
        snapshot = await anext(aiter(AgentStream(env.client, handle.id, snapshot=True)))
        assert isinstance(snapshot, Snapshot)
        assert [(one.path, one.workflow_id) for one in snapshot.agents] == [(("clerk",), begun.workflow_id)]
        await handle.signal(HostWorkflow.stop)
        rest = await asyncio.wait_for(turn(stream), WAIT)
        assert (await asyncio.wait_for(hanging, WAIT)).startswith("cancelled")
        (stopped,) = of_agents(rest)
        assert (stopped.workflow_id, stopped.stop_reason) == (begun.workflow_id, "cancelled")
        await handle.signal(HostWorkflow.finish)
        await handle.result()
        await env.assert_replays(handle)
        await env.assert_replays(env.client.get_workflow_handle(first.workflow_id))
