"""The stream of a long chat: its size, what a late reader gets, and the present state."""

import asyncio
from datetime import timedelta

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import (
    WAIT,
    LiveModel,
    bounded,
    longer_than,
    of,
    play,
    read_all,
)
from strands.agent.conversation_manager import SlidingWindowConversationManager
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import ConversationClient, ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say
from strands_temporal.workflow import Conversation
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    End,
    HandedOver,
    MessageEnd,
    ModelCallEnded,
    Snapshot,
    StreamGap,
    StreamHooks,
    StreamLimit,
    TextDelta,
    TurnEnd,
    TurnStarted,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]

TURNS = 40

INPUT_BYTES = 20_000
"""Most bytes of a run's input: the end of the stream, the last answers, the conversation, all compressed."""

LIMIT = StreamLimit(events=60, bytes=30_000)


@workflow.defn
class BoundedWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, turns: int) -> list[tuple[int, int]]:
        """Return the items and the bytes of the stream after each turn."""
        agent = TemporalAgent(
            "live",
            name="helper",
            streaming_topic="events",
            hooks=[StreamHooks(self.stream, limit=LIMIT)],
            callback_handler=None,
        )
        sizes: list[tuple[int, int]] = []
        for number in range(turns):
            await agent.invoke_async(f"turn {number}")
            log = self.stream.get_state().log
            sizes.append((len(log), sum(len(item.data) * 3 // 4 for item in log)))
        return sizes


async def test_the_stream_is_bounded_and_a_late_reader_gets_the_gap_and_the_state(agents: Agents) -> None:
    half, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        half.set()
        await bounded(go_on)

    plays = [play(*(f"{number}." for _ in range(20))) for number in range(11)]
    model = LiveModel(*plays, play("half ", wait, "whole"))
    async with agents(workflows=[BoundedWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(BoundedWorkflow.run, 12)
        await bounded(half)
        seen: list[AgentEvent] = []

        async def live() -> None:
            async for event in AgentStream(env.client, handle.id, snapshot=True):
                seen.append(event)
                go_on.set()

        await asyncio.wait_for(live(), WAIT)
        sizes = await handle.result()
        late = await read_all(AgentStream(env.client, handle.id))
        (last, _) = await read_all(AgentStream(env.client, handle.id, snapshot=True))
        jumped = await read_all(AgentStream(env.client, handle.id, from_offset=1, snapshot=False))
        await env.assert_replays(handle)
    # Bounded, whatever the number of turns.
    assert all(items <= LIMIT.events and size <= LIMIT.bytes for items, size in sizes)
    assert sizes[-1][0] > LIMIT.events // 2
    # The present state in mid-answer, then the rest.
    snapshot = seen[0]
    assert isinstance(snapshot, Snapshot)
    (call,) = snapshot.calls
    assert (snapshot.status, snapshot.turn, call.text, call.agent) == ("running", 12, "half ", "helper")
    assert [(e.text, e.agent, e.turn, e.call) for e in of(TextDelta, seen)] == [
        ("whole", "helper", 12, call.call)
    ]
    assert [type(event) for event in seen[1:]] == [TextDelta, MessageEnd, ModelCallEnded, TurnEnd, End]
    assert seen[1].offset == snapshot.offset + 1
    # Behind the cut: the lost range, the present state, and what there still is.
    gap, state = late[0], of(Snapshot, late)[0]
    assert isinstance(gap, StreamGap)
    assert (gap.start, state.turn, state.status) == (0, 12, "idle")
    assert [event.offset for event in late if event.offset >= gap.stop][-1] == late[-1].offset
    assert of(TurnEnd, late)[-1].result == "half whole"
    assert isinstance(last, Snapshot)
    assert last == state
    assert of(StreamGap, jumped)[0].start == 1


def make_agent() -> TemporalAgent:
    """Make an agent that remembers little, so that only its stream could grow."""
    return TemporalAgent(
        "live",
        streaming_topic="events",
        conversation_manager=SlidingWindowConversationManager(window_size=4),
        callback_handler=None,
    )


def long_answer(call: ScriptedCall) -> Reply:
    """Answer in many pieces."""
    return say(f"answer to {call.prompt} " * 40, chunk=40)


@workflow.defn
class LongChat:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, make_agent, hand_over_when=longer_than(60), approvals=False)

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


async def test_a_long_chat_keeps_its_workflow_small_over_its_runs(agents: Agents) -> None:
    model = ScriptedModel(*[long_answer] * TURNS)
    inputs: list[int] = []
    async with agents(workflows=[LongChat], models={"live": lambda: model}) as env:
        handle = await env.start(LongChat.run, ConversationStart(), execution_timeout=timedelta(minutes=5))
        chat = ConversationClient(env.client, handle.id)
        events: list[AgentEvent] = []

        begins = asyncio.Event()

        async def read() -> None:
            async for event in AgentStream(env.client, handle.id, snapshot=True):
                events.append(event)
                begins.set()

        reading = asyncio.create_task(read())
        await bounded(begins)
        runs = list[str]()
        for number in range(TURNS):
            await chat.send(f"message {number}")
            run_id = str((await chat.handle.describe()).run_id)
            if run_id not in runs:
                runs.append(run_id)
        late = await asyncio.wait_for(anext(aiter(AgentStream(env.client, handle.id, snapshot=True))), WAIT)
        await chat.close()
        await asyncio.wait_for(reading, WAIT)
        for run_id in runs:
            run = env.client.get_workflow_handle(handle.id, run_id=run_id)
            event = await anext(run.fetch_history_events(page_size=1))
            inputs.append(event.ByteSize())
        await env.assert_replays(env.client.get_workflow_handle(handle.id, run_id=runs[1]))
    assert len(runs) > 5
    assert max(inputs) < INPUT_BYTES, inputs  # test_long_chat.py shows that it does not grow
    assert isinstance(late, Snapshot)
    assert (late.turn, late.status, late.usage["totalTokens"]) == (TURNS, "idle", TURNS * 15)
    # A reader that follows gets each turn and each hand-over once, in order: it is never 128 KiB behind.
    assert not of(StreamGap, events)
    begun = [event.turn for event in of(TurnStarted, events)]
    assert begun == [event.turn for event in of(TurnEnd, events)] == list(range(1, TURNS + 1))
    handed = of(HandedOver, events)
    before, after = [one.run_id for one in handed], [one.new_run_id for one in handed]
    assert before[: len(runs) - 1] == runs[:-1]  # at the end it may hand over once more
    assert after[:-1] == before[1:]
