"""The workflow's log and the pieces become one sequence. Needs no server."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, cast

from temporalio.api.common.v1 import Payload
from temporalio.converter import DefaultPayloadConverter

from strands_temporal_streaming._calls import Calls
from strands_temporal_streaming._control import to_control
from strands_temporal_streaming._life_types import ControlEvent, ModelCallEnded, ModelCallStarted
from strands_temporal_streaming._log import Item, Page
from strands_temporal_streaming._merging import MergedReader
from strands_temporal_streaming._pieces import extra_of, seq_of
from strands_temporal_streaming._transport import Piece

CONVERTER = DefaultPayloadConverter()


class FakeLog:
    """A log that shows what the test has put there, when it is polled."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.polls, self.is_over = 0, False
        self.polled = asyncio.Event()
        self.answers = asyncio.Event()

    def say(self, event: ControlEvent) -> None:
        (payload,) = CONVERTER.to_payloads([to_control(event)])
        self.items.append(Item(len(self.items), "events.control", payload))

    def poke(self) -> int:
        self.polls += 1
        self.polled.set()
        return self.polls

    async def pages(self, offset: int) -> AsyncIterator[Page]:
        while True:
            await self.polled.wait()
            await self.answers.wait()
            self.polled.clear()
            items, stop = self.items[offset:], len(self.items)
            yield Page(offset, offset, stop, items, True, polled=self.polls)
            offset = stop
            if self.is_over:
                return


class FakePieces:
    """Pieces that the test gives."""

    def __init__(self) -> None:
        self.given: asyncio.Queue[Piece] = asyncio.Queue()
        self.last = 0

    def give(self, call: str) -> None:
        self.last += 1
        (payload,) = CONVERTER.to_payloads([{"contentBlockDelta": {"delta": {"text": call}}}])
        payload = Payload(metadata=dict(payload.metadata), data=payload.data)
        payload.metadata["strands-call"] = f"{call}/1".encode()
        payload.metadata["strands-at"] = b"0"
        payload.metadata["strands-attempt-started"] = b"2026-01-01T00:00:01+00:00"
        self.given.put_nowait(Piece(self.last, "events", payload))

    async def pieces(self, from_seq: int) -> AsyncIterator[Piece]:
        while True:
            yield await self.given.get()

    async def last_seq(self) -> int | None:
        return self.last

    async def seq_at(self, time: datetime) -> int | None:
        return 0


async def nothing() -> None:
    return None


async def test_pieces_keep_their_order_so_that_a_position_is_exact() -> None:
    """A piece of a known call waits behind one of a call whose start is not read yet."""
    log, pieces = FakeLog(), FakePieces()
    early, late = "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:09+00:00"
    beginning = extra_of(1, is_choosing=False)
    merged: Any = MergedReader(cast("Any", log), pieces, beginning, Calls("events", CONVERTER), nothing)
    steps = merged.steps(0)
    seen: list[tuple[str, int]] = []

    async def read() -> None:
        async for step in steps:
            if isinstance(step, Piece):
                assert seq_of(merged.extra) == step.seq + 1
                seen.append((step.call, step.seq))
            else:
                seen.extend((type(item).__name__, item.offset) for item in step.items)

    task = asyncio.create_task(read())
    log.say(ModelCallStarted(call="known", time=early))
    log.answers.set()
    pieces.give("known")
    await _until(lambda: len(seen) == 2)
    log.answers.clear()
    pieces.give("new")
    pieces.give("known")  # it waits too
    await _until(lambda: log.polls == 2)
    assert len(seen) == 2
    log.say(ModelCallStarted(call="new", time=early))
    log.answers.set()
    await _until(lambda: len(seen) == 5)
    pieces.give("known")
    await _until(lambda: len(seen) == 6)
    log.say(ModelCallEnded(call="known", time=late))
    pieces.give("new")
    log.is_over = True
    log.poke()
    await asyncio.wait_for(task, 5)
    assert seen == [
        ("Item", 0),
        ("known", 1),
        ("Item", 1),
        ("new", 2),
        ("known", 3),
        ("known", 4),
        ("new", 5),
        ("Item", 2),
    ]


async def test_events_before_the_first_piece_do_not_wait_for_one() -> None:
    log, pieces = FakeLog(), FakePieces()
    log.say(ModelCallStarted(call="first", time="2026-01-01T00:00:00+00:00"))
    log.is_over = True
    log.answers.set()
    log.poke()
    merged: Any = MergedReader(cast("Any", log), pieces, 0, Calls("events", CONVERTER), nothing)

    async def read() -> list[int]:
        return [item.offset async for step in merged.steps(0) for item in step.items]

    assert await asyncio.wait_for(read(), 5) == [0]


async def _until(is_so: Any) -> None:
    async def look() -> None:
        while not is_so():  # noqa: ASYNC110  # of several objects
            await asyncio.sleep(0)

    await asyncio.wait_for(look(), 5)
