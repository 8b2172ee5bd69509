"""If a workflow truncates its stream before a reader has read it, the reader learns what it misses."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import (
    WAIT,
    Dreamer,
    LiveModel,
    bounded,
    play,
    read_all,
    without_times,
)
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamClient

from strands_temporal import TemporalAgent
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    CallStarted,
    End,
    MessageEnd,
    OutputLost,
    StreamGap,
    TextDelta,
)

pytestmark = pytest.mark.server


@workflow.defn
class ForgettingWorkflow:
    """Truncates its stream on request."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.update
    async def truncate(self, up_to: int) -> None:
        self.stream.truncate(up_to)

    @workflow.update
    async def publish(self, topic: str) -> None:
        self.stream.topic(topic).publish("something else")

    @workflow.run
    async def run(self, turns: int) -> str:
        agent = TemporalAgent("live", streaming_topic="events", callback_handler=None)
        return [str(await agent.invoke_async(f"turn {turn}")) for turn in range(turns)][-1].strip()


async def reached(handle: Any, client: Any, offset: int) -> None:
    """Wait until the workflow's stream has that many items."""
    stream = WorkflowStreamClient.create(client, handle.id)
    for _ in range(600):
        if await stream.get_offset() >= offset:
            return
        await asyncio.sleep(0.05)  # nothing announces it
    raise AssertionError(f"the stream did not reach {offset}")


def of_call(events: list[AgentEvent], call: str) -> list[AgentEvent]:
    return [event for event in events if getattr(event, "call", "") == call]


async def test_a_hole_in_the_middle_of_a_call_is_told(agents: Agents) -> None:
    asleep, truncated = asyncio.Event(), asyncio.Event()
    model = LiveModel(
        play("one ", lambda: bounded(asleep), "two ", "three ", lambda: bounded(truncated), "four "),
        play("end"),
    )
    async with agents(workflows=[ForgettingWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(ForgettingWorkflow.run, 2)
        reader = Dreamer(env.client, handle.id, "one ")
        await reader.dreams()
        stop = (await first_text(AgentStream(env.client, handle.id))).offset + 1
        asleep.set()
        await reached(handle, env.client, stop + 1)
        await handle.execute_update(ForgettingWorkflow.truncate, stop + 1)
        truncated.set()
        assert await asyncio.wait_for(handle.result(), WAIT) == "end"
        events = await reader.wakes()
        await env.assert_replays(handle)
    first, second = (event for event in events if isinstance(event, CallStarted))
    gap = StreamGap(stop, stop + 1, stop)
    assert gap in events
    told = of_call(events, first.call)
    assert [event.text for event in told if isinstance(event, TextDelta)] == ["one ", "four "]
    lost = OutputLost(first.call, 1, 0, stop, first.started_at)
    assert told[-3:] == [lost, told[-2], told[-1]]
    assert isinstance(told[-1], MessageEnd)
    assert not [event for event in of_call(events, second.call) if isinstance(event, OutputLost)]


async def first_text(stream: AgentStream) -> TextDelta:
    """Read up to the first text."""
    async for event in stream:
        if isinstance(event, TextDelta):
            return event
    raise AssertionError("nothing was said")


async def test_a_reader_from_the_beginning_is_told_that_it_is_gone(agents: Agents) -> None:
    truncated = asyncio.Event()
    model = LiveModel(play("one ", "two "), play("three ", lambda: bounded(truncated), "four "))
    async with agents(workflows=[ForgettingWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(ForgettingWorkflow.run, 2)
        reader = Dreamer(env.client, handle.id, "three ")
        await reader.dreams()
        three = reader.events[-1]
        await handle.execute_update(ForgettingWorkflow.truncate, three.offset + 1)
        truncated.set()
        await asyncio.wait_for(handle.result(), WAIT)
        events = await read_all(AgentStream(env.client, handle.id))
        whole = await reader.wakes()
        kept = await read_all(AgentStream(env.client, handle.id, from_offset=three.offset + 1))
        await env.assert_replays(handle)
    four = next(event for event in whole if isinstance(event, TextDelta) and event.text == "four ")
    started = [event for event in whole if isinstance(event, CallStarted)][-1]
    assert events[:3] == [
        StreamGap(0, three.offset + 1, three.offset),
        OutputLost(four.call, 1, 0, four.offset, started.started_at),
        four,
    ]
    assert isinstance(events[-1], End)
    assert not [event for event in whole if isinstance(event, (StreamGap, OutputLost))]  # it missed nothing
    assert without_times(kept) == without_times(events[2:])  # a returning reader knows what came before


async def test_items_of_other_topics_are_no_gap(agents: Agents) -> None:
    asleep = asyncio.Event()
    model = LiveModel(play("one ", lambda: bounded(asleep), "two "))
    async with agents(workflows=[ForgettingWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(ForgettingWorkflow.run, 1)
        reader = Dreamer(env.client, handle.id, "one ")
        await reader.dreams()
        for topic in ("other", "events.other"):
            await handle.execute_update(ForgettingWorkflow.publish, topic)
        asleep.set()
        await asyncio.wait_for(handle.result(), WAIT)
        events = await reader.wakes()
        await env.assert_replays(handle)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["one ", "two "]
    assert not [event for event in events if isinstance(event, (StreamGap, OutputLost))]


async def test_who_stops_at_a_gap_misses_nothing_that_is_said_of_it(agents: Agents) -> None:
    truncated = asyncio.Event()
    model = LiveModel(play("one ", lambda: bounded(truncated), "two "))
    async with agents(workflows=[ForgettingWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(ForgettingWorkflow.run, 1)
        stream = AgentStream(env.client, handle.id)
        one = await first_text(stream)
        await handle.execute_update(ForgettingWorkflow.publish, "other")
        await handle.execute_update(ForgettingWorkflow.truncate, one.offset + 2)
        truncated.set()
        gaps: list[AgentEvent] = []
        async for event in stream:
            gaps.append(event)
            break
        rest = await read_all(stream)
        await env.assert_replays(handle)
    gap = StreamGap(one.offset + 1, one.offset + 2, one.offset + 1)
    assert gaps == [gap]
    assert rest[0] == gap  # the reader had not finished with the gap
    assert isinstance(rest[1], OutputLost)
    assert [event.text for event in rest if isinstance(event, TextDelta)] == ["two "]
