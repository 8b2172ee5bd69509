"""Events of turns that are stopped, fail, or go on in another run: each once, in order, and closed."""

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, of, read_all
from strands import tool
from strands.hooks import BeforeToolCallEvent
from strands.interventions import InterventionHandler
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import activity, workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import (
    ConversationClient,
    ConversationEnd,
    ConversationStart,
    TemporalAgent,
)
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import Conversation, activity_as_tool
from strands_temporal_streaming import (
    AgentEnded,
    AgentEvent,
    AgentStarted,
    AgentStream,
    Failed,
    HandedOver,
    ModelCallEnded,
    ModelCallStarted,
    QuestionAsked,
    RequestEnded,
    Snapshot,
    StreamHooks,
    ToolCall,
    ToolProgress,
    ToolResult,
    ToolStarted,
    TurnEnd,
    TurnStarted,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]


@activity.defn
async def wait_for_ever(n: int) -> str:
    """Wait until it is cancelled."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.1)


@tool
async def measure(n: int) -> AsyncIterator[Any]:
    """Measure, and report what is no number."""
    yield {"loss": math.nan, "n": n}
    yield f"measured {n}"


def break_off(event: BeforeToolCallEvent) -> None:
    """Fail before one of the calls."""
    if event.tool_use["input"].get("n") == 13:
        raise KeyError("unlucky")


def helper() -> TemporalAgent:
    return TemporalAgent(
        "helper", name="helper", description="Helps.", streaming_topic="events", callback_handler=None
    )


@workflow.defn
class Troubled:
    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.agent = TemporalAgent(
            "m",
            name="boss",
            tools=[measure, activity_as_tool(wait_for_ever, heartbeat_timeout=None), helper().as_tool()],
            hooks=[break_off, StreamHooks(self.stream)],
            streaming_topic="events",
            callback_handler=None,
        )
        self.done = False

    @workflow.update
    async def turn(self, prompt: str) -> str:
        try:
            return str((await self.agent.invoke_async(prompt)).stop_reason)
        except Exception as error:  # noqa: BLE001
            return type(error).__name__

    @workflow.signal
    async def stop(self) -> None:
        self.agent.cancel()

    @workflow.signal
    def finish(self) -> None:
        self.done = True

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: self.done)


def script(call: ScriptedCall) -> Reply:
    if call.tool_results:
        return say("done")
    match call.prompt:
        case "hang":
            calls: Any = [("wait_for_ever", {"n": 1}, "w1"), ("measure", {"n": 1}, "m1")]
            return use_tools([*calls, ("helper", {"input": "hang"}, "h1")])
        case "break":
            return use_tools([("measure", {"n": 13}, "m13"), ("helper", {"input": "ok"}, "h13")])
        case _:
            return use_tool("measure", {"n": 2}, tool_use_id="m2")


async def help_out(call: ScriptedCall) -> Reply:
    if call.prompt == "hang":
        await asyncio.Event().wait()
    return say("helped")


async def test_turns_that_are_stopped_or_fail_are_closed(agents: Agents) -> None:
    models = {"m": lambda: ScriptedModel(script), "helper": lambda: ScriptedModel(help_out)}
    async with agents(workflows=[Troubled], activities=[wait_for_ever], models=models) as env:
        handle = await env.start(Troubled.run)
        stream = AgentStream(env.client, handle.id)
        hanging = asyncio.create_task(handle.execute_update(Troubled.turn, "hang"))

        async def until_all_run() -> list[AgentEvent]:
            events: list[AgentEvent] = []
            async for event in stream:
                events.append(event)
                if {ToolResult, AgentStarted} <= {type(one) for one in events} and len(
                    of(ToolStarted, events)
                ) == 3:
                    return events
            raise AssertionError(events)

        stopped = await asyncio.wait_for(until_all_run(), WAIT)
        await handle.signal(Troubled.stop)
        assert await asyncio.wait_for(hanging, WAIT) == "cancelled"
        idle = await anext(aiter(AgentStream(env.client, handle.id, snapshot=True)))
        broken = await asyncio.wait_for(handle.execute_update(Troubled.turn, "break"), WAIT)
        assert await asyncio.wait_for(handle.execute_update(Troubled.turn, "go"), WAIT) == "end_turn"
        await handle.signal(Troubled.finish)
        await handle.result()
        rest = await read_all(stream)
        await env.assert_replays(handle)
    events = [*stopped, *rest]
    assert [event.offset for event in events[:-1]] == sorted({event.offset for event in events[:-1]})
    assert [(one.turn, one.stop_reason) for one in of(TurnEnd, events)] == [
        (1, "cancelled"),
        (2, None),
        (3, "end_turn"),
    ]
    assert [(one.turn, one.path, one.prompt) for one in of(TurnStarted, events)] == [
        (1, (), "hang"),
        (2, (), "break"),
        (3, (), "go"),
    ]
    assert [(one.turn, one.error) for one in of(Failed, events)] == [(2, broken)]
    assert isinstance(idle, Snapshot)
    assert (idle.status, idle.tool_calls, idle.calls, idle.agents) == ("idle", (), (), ())
    # What began has ended, each within its turn.
    for turn in (1, 3):
        mine = [event for event in events if event.turn == turn]
        begun = sorted(one.tool_use_id for one in of(ToolStarted, mine))
        assert begun == sorted(one.tool_use_id for one in of(ToolResult, mine))
    for begins, ends in ((AgentStarted, AgentEnded), (ModelCallStarted, ModelCallEnded)):
        assert len(of(begins, events)) == len(of(ends, events)), (begins, events)
    ended = next(one for one in of(AgentEnded, events) if one.turn == 1)
    assert (ended.tool_use_id, ended.stop_reason) == ("h1", "cancelled")
    # NaN is no JSON.
    assert next(one.data for one in of(ToolProgress, events) if one.tool_use_id == "m2") == {
        "loss": None,
        "n": 2,
    }


def keeper() -> TemporalAgent:
    interventions: list[InterventionHandler] = [HumanInTheLoop(allowed_tools=["step"])]
    return TemporalAgent(
        "m",
        name="keeper",
        tools=[step, guarded],
        interventions=interventions,
        streaming_topic="events",
        callback_handler=None,
    )


@tool
def step(n: int) -> str:
    """Do a step."""
    return f"step {n}"


@tool
def guarded(n: int) -> str:
    """Do what a person has to allow."""
    return f"did {n}"


def always() -> bool:
    return workflow.info().get_current_history_length() > 5


@workflow.defn
class Steps:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, keeper, hand_over_when=always)

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


def many_steps(call: ScriptedCall) -> Reply:
    if call.prompt == "ask":
        return use_tool("guarded", {"n": 1}, tool_use_id="g1")
    number = sum("toolUse" in block for message in call.messages for block in message["content"])
    if number >= 8:
        return say("done")
    return use_tools([("step", {"n": number + one}, f"s{number + one}") for one in range(2)])


async def test_a_turn_over_many_runs_is_told_once_and_one_that_was_stopped_while_it_waited_is_over(
    agents: Agents,
) -> None:
    async with agents(workflows=[Steps], models={"m": lambda: ScriptedModel(many_steps)}) as env:
        handle = await env.start(Steps.run, ConversationStart())
        chat = ConversationClient(env.client, handle.id)
        reading = asyncio.create_task(read_all(AgentStream(env.client, handle.id)))
        assert (await asyncio.wait_for(chat.send("steps"), WAIT)).text == "done"
        asking = asyncio.create_task(chat.send("ask"))
        async for event in AgentStream(env.client, handle.id):
            if isinstance(event, QuestionAsked):
                break
        assert await asyncio.wait_for(chat.cancel_turn(), WAIT)
        assert (await asyncio.wait_for(asking, WAIT)).stop_reason == "cancelled"
        idle = await anext(aiter(AgentStream(env.client, handle.id, snapshot=True)))
        await chat.close()
        await asyncio.wait_for(chat.handle.result(), WAIT)
        events = await reading
        await env.assert_replays(chat.handle)
    assert len(of(HandedOver, events)) >= 3
    assert [event.offset for event in events[:-1]] == sorted({event.offset for event in events[:-1]})
    first = [event for event in events if event.turn == 1]
    for kind in (ToolCall, ToolStarted, ToolResult):
        assert sorted(one.tool_use_id for one in of(kind, first)) == [f"s{n}" for n in range(8)], kind
    assert len(of(ModelCallStarted, first)) == len(of(ModelCallEnded, first)) == 5
    (end,) = of(TurnEnd, first)
    assert (end.stop_reason, end.result) == ("end_turn", "done")
    assert end.usage["totalTokens"] == sum(one.usage["totalTokens"] for one in of(ModelCallEnded, first))
    assert of(TurnStarted, first)[0].prompt == "steps"
    assert {one.prompt for one in of(TurnStarted, first)[1:]} <= {None}  # it goes on
    assert [one.stop_reason for one in of(RequestEnded, events)] == ["end_turn", "cancelled"]
    assert isinstance(idle, Snapshot)
    assert (idle.status, idle.questions, idle.tool_calls) == ("idle", (), ())
