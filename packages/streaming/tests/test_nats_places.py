"""A reader of NATS begins at a place of the workflow's log, or behind a snapshot: which pieces it gets."""

import asyncio
import random
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.nats_support import PairWorkflow, bare, hops, log_offset, running
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, of, play, read_all, texts
from temporalio.client import Client

from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    End,
    ModelCallEnded,
    ModelCallStarted,
    Snapshot,
    TextDelta,
    TurnStarted,
)
from strands_temporal_streaming import _beginning as beginning_module

pytestmark = [pytest.mark.server]

RANDOM = random.Random(16)  # noqa: S311  # no secret


def said(events: list[AgentEvent]) -> dict[str, str]:
    """Return the text of each call."""
    found: dict[str, str] = {}
    for event in of(TextDelta, events):
        found[event.call] = found.get(event.call, "") + event.text
    return found


def later(events: list[AgentEvent], offset: int) -> dict[str, str]:
    """Return the texts of the calls that end at or after an offset of the log."""
    ends = {event.call for event in of(ModelCallEnded, events) if event.seq >= offset}
    return {call: text for call, text in said(events).items() if call in ends}


async def test_a_turn_is_read_without_the_ones_before(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    model = LiveModel(play("first ", "one"), play("second ", "one"))
    async with running(client, nats_server, model, worker_options, turns=2) as (handle, transport):
        await asyncio.wait_for(handle.result(), WAIT)
        events = await read_all(AgentStream(client, handle.id, transport=transport))
        begin = of(TurnStarted, events)[1].seq
        rest = await read_all(AgentStream(client, handle.id, transport=transport, from_offset=begin))
        assert isinstance(rest[0], TurnStarted)
        assert texts(rest) == ["second one"]
        behind = await read_all(AgentStream(client, handle.id, transport=transport, snapshot=True))
        assert [type(event) for event in behind] == [Snapshot, End]


@pytest.mark.slow
async def test_each_place_gives_the_calls_that_run_there_or_start_later(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    first, second, begun = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def long_begins() -> None:
        await asyncio.sleep(0.2)  # its pieces are in NATS before those of the call that ends first
        begun.set()

    async def first_ends() -> None:
        first.set()

    async def second_ends() -> None:
        second.set()

    models = {
        "left": LiveModel(
            play(lambda: bounded(begun), "a1 ", "a2 ", first_ends),
            play("b1 ", lambda: bounded(second), "b2 "),
            play("c1 ", "c2 "),
        ),
        "right": LiveModel(play("x1 ", long_begins, lambda: bounded(first), "x2 ", "x3 ", second_ends)),
    }
    async with running(client, nats_server, models, worker_options, turns=3, run=PairWorkflow.run) as (
        handle,
        transport,
    ):
        live = await read_all(AgentStream(client, handle.id, transport=transport))
        await handle.result()
        assert sorted(texts(live)) == ["a1 a2", "b1 b2", "c1 c2", "x1 x2 x3"]
        whole = await read_all(AgentStream(client, handle.id, transport=transport))
        assert said(whole) == said(live)
        logged = [event for event in whole if event.seq >= 0]
        for offset in range(len(logged) + 1):
            stream = AgentStream(client, handle.id, transport=transport, from_offset=offset)
            events = await read_all(stream)
            assert said(events) == later(whole, offset)
            assert bare([event for event in events if event.seq >= 0]) == bare(logged[offset:])
            # Each reader can be followed by another one, at any of its events.
            ends = logged[offset - 1 : offset]
            if not (of(ModelCallEnded, ends) or offset in (0, len(logged))):
                continue
            again = await hops(client, handle.id, transport, offset)
            assert said(again) == said(events)
            assert len(again) == len(events)
            for call in said(events):
                starts = [at for at, one in enumerate(events) if isinstance(one, ModelCallStarted)]
                starts = [at for at in starts if events[at].call == call]  # type: ignore[union-attr]
                pieces = [at for at, one in enumerate(events) if isinstance(one, TextDelta)]
                if starts:
                    assert min(at for at in pieces if events[at].call == call) > starts[0]  # type: ignore[union-attr]


@pytest.mark.slow
async def test_it_reads_from_nats_only_what_is_near_the_place(
    client: Client,
    worker_options: dict[str, Any],
    nats_server: NATSServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(beginning_module, "CLOCKS", timedelta(milliseconds=300))
    model = LiveModel(
        play(*(word for _ in range(50) for word in ("x" * 40_000, lambda: asyncio.sleep(0.01)))),
        play(lambda: asyncio.sleep(1), "near ", lambda: asyncio.sleep(0.05), "it"),
        play(lambda: asyncio.sleep(1), "last"),
    )
    async with running(client, nats_server, model, worker_options, turns=3) as (handle, transport):
        await asyncio.wait_for(handle.result(), WAIT)
        whole = await read_all(AgentStream(client, handle.id, transport=transport))
        started = of(ModelCallStarted, whole)[2]
        reader: Any = transport.reader(client, handle.id)
        last = await reader.last_seq()
        assert await reader.seq_at(datetime.now(timezone.utc)) > last
        assert await reader.seq_at(datetime.now(timezone.utc) - timedelta(hours=1)) == 1
        seen: list[int] = []
        shared: Any = type(reader._shared)  # pyright: ignore[reportPrivateUsage]
        read = shared.piece

        async def piece(self: Any, seq: int, data: bytes) -> Any:
            seen.append(seq)
            return await read(self, seq, data)

        monkeypatch.setattr(shared, "piece", piece)
        events = await read_all(AgentStream(client, handle.id, transport=transport, from_offset=started.seq))
        assert texts(events) == ["last"]
        assert len(seen) < 20 < last


@pytest.mark.slow
async def test_a_workflow_with_a_used_id_has_no_pieces_of_the_one_before(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    id_ = f"used-{uuid.uuid4()}"
    for text in ("former", "new"):
        model = LiveModel(play(text))
        async with running(client, nats_server, model, worker_options, workflow_id=id_) as (
            handle,
            transport,
        ):
            assert await asyncio.wait_for(handle.result(), WAIT) == text
            events = await read_all(AgentStream(client, id_, transport=transport))
            assert texts(events) == [text]


# --- Snapshots


def conversation(events: list[AgentEvent]) -> list[str]:
    """Return the texts of the assistant: those in the snapshot, then those of the pieces."""
    (snapshot,) = of(Snapshot, events)
    known = [
        block["text"].strip()
        for message in snapshot.messages
        if message["role"] == "assistant"
        for block in message["content"]
    ]
    return known + texts(events)


@pytest.mark.slow
async def test_whoever_joins_has_each_answer_once(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    answers = [f"{number}a {number}b {number}c {number}d" for number in range(6)]

    def spoken(answer: str) -> Any:
        parts: list[Any] = []
        for word in answer.split():
            parts += [lambda: asyncio.sleep(RANDOM.uniform(0, 0.2)), f"{word} "]
        return play(*parts)

    model = LiveModel(*(spoken(answer) for answer in answers))
    async with running(client, nats_server, model, worker_options, turns=len(answers)) as (handle, transport):

        async def joins() -> list[AgentEvent]:
            await asyncio.sleep(RANDOM.uniform(0, 6))
            return await read_all(AgentStream(client, handle.id, transport=transport, snapshot=True))

        for events in await asyncio.wait_for(asyncio.gather(*(joins() for _ in range(30))), 3 * WAIT):
            assert conversation(events) == answers
        await handle.result()
        after = await read_all(AgentStream(client, handle.id, transport=transport, snapshot=True))
        assert conversation(after) == answers
        assert not of(TextDelta, after)


@pytest.mark.slow
async def test_a_snapshot_among_parallel_calls_and_before_the_first_piece(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    waits: Mapping[str, asyncio.Event] = {name: asyncio.Event() for name in ("left", "right", "joined")}

    async def set_(name: str) -> None:
        waits[name].set()

    models = {
        "left": LiveModel(
            play("gone"), play(lambda: set_("left"), lambda: bounded(waits["joined"]), "silent first")
        ),
        "right": LiveModel(
            play("r1 ", "r2 ", lambda: set_("right"), lambda: bounded(waits["joined"]), "r3 ")
        ),
    }
    async with running(client, nats_server, models, worker_options, turns=2, run=PairWorkflow.run) as (
        handle,
        transport,
    ):
        await asyncio.wait_for(waits["left"].wait(), WAIT)
        await asyncio.wait_for(waits["right"].wait(), WAIT)
        events: list[AgentEvent] = []
        stream = AgentStream(client, handle.id, transport=transport, snapshot=True)
        async for event in stream:
            events.append(event)
            if isinstance(event, TextDelta) and event.text.endswith("r2 "):
                waits["joined"].set()
        (snapshot,) = of(Snapshot, events)
        assert sorted(texts(events)) == ["r1 r2 r3", "silent first"]
        assert events[0] is snapshot
        places = {event.call: event.agent for event in of(TextDelta, events)}
        assert sorted(places.values()) == ["left", "right"]
        at = events.index(of(TextDelta, events)[0])
        rest = await read_all(
            AgentStream(client, handle.id, transport=transport, from_offset=events[at].offset + 1)
        )
        assert said(bare(rest)) == said(bare(events[at + 1 :]))
        assert log_offset(events[at]) == snapshot.offset + 1
