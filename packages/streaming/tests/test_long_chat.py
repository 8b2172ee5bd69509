"""A chat of thousands of turns: its stream, what each run takes over, and each run's history do not grow.

`STRANDS_TEMPORAL_LONG_CHAT=10000` chooses the number of turns. The test prints what it measured.
"""

import asyncio
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import longer_than
from strands.agent.conversation_manager import SlidingWindowConversationManager
from temporalio import workflow
from temporalio.client import WorkflowHandle, WorkflowHistoryEventFilterType

from strands_temporal import ConversationClient, ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.testing import AgentEnvironment, Reply, ScriptedCall, ScriptedModel, say
from strands_temporal.workflow import Conversation
from strands_temporal_streaming import AgentStream, Snapshot, StreamLimit
from strands_temporal_streaming._conversation import KEPT_BYTES
from strands_temporal_streaming._log import StreamLog

pytestmark = [pytest.mark.server, pytest.mark.slow]

TURNS = int(os.environ.get("STRANDS_TEMPORAL_LONG_CHAT", "3000"))

MARKS = [mark for mark in (200, 1_000, 3_000, 10_000) if mark <= TURNS]
"""The turns around which sizes are compared."""

BATCH = 100
"""Messages that are sent at once, and wait for their turns."""

EVENTS = 600
"""Events of a run's history after which it continues as new."""

WAIT = 120.0


def make_agent() -> TemporalAgent:
    """Make an agent that remembers little, so that only the chat's other parts could grow."""
    return TemporalAgent(
        "m",
        streaming_topic="events",
        conversation_manager=SlidingWindowConversationManager(window_size=4),
        callback_handler=None,
    )


def answer(call: ScriptedCall) -> Reply:
    """Answer in some pieces."""
    return say(f"answer to {call.prompt} " * 10, chunk=60)


@workflow.defn
class VeryLongChat:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, make_agent, hand_over_when=longer_than(EVENTS), approvals=False)

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


@dataclass
class RunSizes:
    """Sizes of one run.

    Attributes:
        turn: Turns before the run, about.
        input_bytes: What it took over.
        events: Events of its history.
        history_bytes: Bytes of its history.
    """

    turn: int
    input_bytes: int
    events: int
    history_bytes: int


async def sizes_of(handle: "WorkflowHandle[Any, Any]") -> tuple[RunSizes, str]:
    """Return the sizes of a run, and the id of the next one."""
    first = await anext(handle.fetch_history_events(page_size=1))
    close = WorkflowHistoryEventFilterType.CLOSE_EVENT
    last = await anext(handle.fetch_history_events(event_filter_type=close))
    info = (await handle.describe()).raw_description.workflow_execution_info
    following = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    return RunSizes(0, first.ByteSize(), info.history_length, info.history_size_bytes), following


async def stream_sizes(env: AgentEnvironment, workflow_id: str) -> tuple[int, int]:
    """Return the items of the workflow's stream, and their bytes."""
    log = StreamLog(env.client, workflow_id)
    run, offset, items, size = await log.describe(), 0, 0, 0
    while True:
        page = await log.page(run.id, offset)
        items += len(page.items)
        size += sum(len(item.payload.data) for item in page.items)
        offset = page.stop
        if page.is_last:
            return items, size


async def reached(chat: ConversationClient, turn: int) -> None:
    """Wait until a turn has ended."""
    until = time.monotonic() + WAIT
    while True:
        state = await chat.state()
        if state.turn - (state.status != "idle") >= turn:
            return
        assert time.monotonic() < until, (turn, state)
        await asyncio.sleep(0.2)


@pytest.mark.timeout(7_200)
async def test_a_chat_of_thousands_of_turns_does_not_grow(agents: Agents) -> None:
    streams: dict[int, tuple[int, int]] = {}
    begun = time.monotonic()
    async with agents(workflows=[VeryLongChat], models={"m": lambda: ScriptedModel(answer)}) as env:
        handle = await env.start(VeryLongChat.run, ConversationStart(), execution_timeout=timedelta(hours=3))
        chat = ConversationClient(env.client, handle.id)
        sent = 0
        while sent < TURNS:
            for number in range(sent, min(sent + BATCH, TURNS)):
                await chat.handle.signal("send", {"id": f"m{number}", "message": f"message {number}"})
            sent = min(sent + BATCH, TURNS)
            await reached(chat, sent - BATCH // 2)
            for mark in MARKS:
                if mark <= sent and mark not in streams:
                    await reached(chat, mark)
                    streams[mark] = await stream_sizes(env, handle.id)
        await reached(chat, TURNS)
        snapshot = await anext(aiter(AgentStream(env.client, handle.id, snapshot=True)))
        await chat.close()
        await asyncio.wait_for(chat.handle.result(), WAIT)
        took = time.monotonic() - begun
        runs: list[RunSizes] = []
        run_id = str(handle.first_execution_run_id)
        while run_id:
            one, run_id = await sizes_of(env.client.get_workflow_handle(handle.id, run_id=run_id))
            runs.append(one)
    for number, run in enumerate(runs):
        run.turn = number * TURNS // len(runs)
    at = {
        mark: max((run for run in runs[:-1] if run.turn < mark), key=lambda run: run.turn) for mark in MARKS
    }
    # The numbers are what one runs this for.
    events = sum(run.events for run in runs)
    print(f"\n{TURNS} turns in {took:.0f} s, {len(runs)} runs, {events:,} events")  # noqa: T201
    for mark, run in at.items():
        items, size = streams[mark]
        print(  # noqa: T201
            f"turn {mark:>6}: stream {items:,} items, {size:,} B; run takes over {run.input_bytes:,} B; its "
            f"history {run.events:,} events, {run.history_bytes:,} B"
        )
    limit = StreamLimit()
    assert all(items <= limit.events and size <= limit.bytes for items, size in streams.values())
    assert isinstance(snapshot, Snapshot)
    assert (snapshot.turn, snapshot.status) == (TURNS, "idle")
    assert snapshot.usage["totalTokens"] == TURNS * 15
    # Nothing grows with the turns, once the first hundred answers are kept.
    base = at[MARKS[0]]
    for run in runs[runs.index(base) : -1]:
        assert run.input_bytes < 1.15 * base.input_bytes + 100 * BATCH, (run, base)  # up to BATCH wait
        assert run.input_bytes < KEPT_BYTES * 4
        assert run.events < 1.5 * base.events, (run, base)
        assert run.history_bytes < 1.3 * base.history_bytes, (run, base)
