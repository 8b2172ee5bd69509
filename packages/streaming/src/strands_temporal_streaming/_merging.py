"""Merges two sources: the workflow's log, and the pieces that another transport carries.

The order is the order of the run for each call. What the workflow says about a call before it starts comes
before the call's pieces. What the workflow says later comes after the pieces that were published before.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ._control import STARTED_METADATA
from ._log import Item, Page
from ._pieces import AT_METADATA
from ._reader import StreamReader
from ._transport import Piece, PieceGap, PieceReader

_MOST_WAITING = 256
"""Pieces that wait for a slow reader. The transport keeps the rest."""

_DRAIN_SECONDS = 2.0
"""How long to wait for pieces that the transport has, before the workflow's next events are told."""

_LAST_SECONDS = 5.0
"""How long to wait for the transport at the end of the workflow."""

_RETRY = 0.25


class MergedReader:
    """Yields pages of the log and pieces.

    Args:
        log: Reads the log.
        pieces: Reads the pieces.
        seq: Sequence number of the next piece; 0 for the first one that is kept.
        time_of: Returns when the workflow published an item of the log, by the Temporal server's clock; "" if
            it was not the workflow, and None if that is not known.
    """

    def __init__(
        self, log: StreamReader, pieces: PieceReader, seq: int, time_of: Callable[[Item], str | None]
    ) -> None:
        self._log = log
        self._pieces = pieces
        self._next = seq
        self._time_of = time_of
        self._held: list[_Held] = []
        self._begun: set[str] = set()  # calls of which the log was read up to their start

    @property
    def seq(self) -> int:
        """Sequence number of the first piece that was not yielded."""
        return self._held[0].piece.seq if self._held else self._next

    async def steps(self, offset: int) -> AsyncGenerator[Page | Piece | PieceGap]:
        """Yield all from `offset` of the log and from the sequence number on, until the workflow ends."""
        pages = _Pump(self._log.pages(offset), 1)
        pieces = _Pump(self._pieces.pieces(self._next), _MOST_WAITING)
        try:
            while True:
                await _either(pages, pieces)
                if pieces.filled.is_set():
                    for step in self._found(await pieces.take()):
                        yield step
                    continue
                page = await pages.take()
                if page is None:
                    break
                async for step in self._interleaved(page, pieces):
                    yield step
            last = await self._last(pieces)
            while last is not None and self._next <= last and (found := await self._soon(pieces)):
                for step in self._found(found):
                    yield step
            for piece in self._release(None):
                yield piece
        finally:
            await pages.close()
            await pieces.close()

    async def _interleaved(self, page: Page, pieces: "_Pump") -> AsyncGenerator[Page | Piece | PieceGap]:
        """Yield a page in parts, with the pieces that were published before each item."""
        last = await self._pieces.last_seq() if page.items else None
        rest = page
        for item in page.items:
            time = self._time_of(item)
            if last is None or time == "":
                continue
            if rest.items[0].offset < item.offset:  # first, so that `seq` is right for each part
                done = tuple(one for one in rest.items if one.offset < item.offset)
                yield replace(rest, items=done, stop=item.offset, is_last=False, tails=())
                rest = replace(rest, asked=item.offset, start=item.offset, items=rest.items[len(done) :])
            async for step in self._until(time, last, pieces):
                yield step
        yield rest
        if page.is_last:
            for piece in self._release(page.polled):
                yield piece

    async def _until(self, time: str | None, last: int, pieces: "_Pump") -> AsyncGenerator[Piece | PieceGap]:
        """Yield the pieces up to `last`, as long as their calls started before `time`.

        The two times are of one clock: when an attempt started, and when a workflow task did.
        """
        while True:
            if not self._held:
                if self._next > last or (found := await self._soon(pieces)) is None:
                    return
                if isinstance(found, PieceGap):
                    for step in self._found(found):
                        yield step
                    continue
                self._hold(found)
            head = self._held[0].piece
            if time is not None and _is_after(_started(head), time):
                return
            self._begun.add(head.call)
            del self._held[0]
            yield head

    def _found(self, found: Piece | PieceGap | None) -> list[Piece | PieceGap]:
        """Return what was found, or hold it until the log was read up to the start of its call."""
        if isinstance(found, PieceGap):
            self._next = max(self._next, found.stop) if found.stop > found.start else 0
            return [found]
        if found is None:
            return []
        call = found.call
        if call in self._begun and not any(one.piece.call == call for one in self._held):
            self._next = found.seq + 1
            if AT_METADATA not in found.payload.metadata:  # not a text: the message may end with it
                self._log.poke()
            return [found]
        self._hold(found)
        return []

    def _hold(self, piece: Piece) -> None:
        polls = [one.poll for one in self._held if one.piece.call == piece.call]
        self._held.append(_Held(polls[0] if polls else self._log.poke(), piece))
        self._next = piece.seq + 1

    def _release(self, polled: int | None) -> Iterator[Piece]:
        """Yield the held pieces whose call's start is in the log that was read with this poll."""
        for one in [one for one in self._held if polled is None or one.poll <= polled]:
            self._begun.add(one.piece.call)
            self._held.remove(one)  # before it is yielded: `seq` is about the rest
            yield one.piece

    async def _soon(self, pieces: "_Pump") -> Piece | PieceGap | None:
        """Return a piece that the transport has, None if it does not come."""
        try:
            return await asyncio.wait_for(pieces.take(), _DRAIN_SECONDS)
        except asyncio.TimeoutError:
            return None

    async def _last(self, pieces: "_Pump") -> int | None:
        """Return the last sequence number, with patience; None if the transport stays away."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LAST_SECONDS
        while (last := await self._pieces.last_seq()) is None and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(_RETRY)
        if last is None:
            pieces.give(PieceGap(self._next, self._next))
            return self._next
        return last


@dataclass(frozen=True, eq=False)
class _Held:
    """A piece that waits for a poll of the log."""

    poll: int
    piece: Piece


def _is_after(one: str, other: str) -> bool:
    """Compare two times, ISO 8601 in UTC."""
    try:
        return datetime.fromisoformat(one) > datetime.fromisoformat(other)
    except ValueError:  # of another release
        return False


def _started(piece: Piece) -> str:
    return piece.payload.metadata.get(STARTED_METADATA, b"").decode()


class _Pump:
    """Reads from an iterator in the background, at most some values ahead."""

    def __init__(self, source: AsyncIterator[Any], most: int) -> None:
        self._values: deque[Any] = deque()
        self._source = source
        self._most = most
        self.filled, self._taken = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def give(self, value: Any) -> None:
        """Add a value at the end."""
        self._values.append(value)
        self.filled.set()

    async def take(self) -> Any:
        """Return the next value; None at the end.

        Raises:
            Exception: The source's.
        """
        await self.filled.wait()
        value = self._values.popleft()
        self._taken.set()
        if not self._values:
            self.filled.clear()
        if isinstance(value, Exception):
            raise value
        return value

    async def close(self) -> None:
        """End the reading."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        last: Any = None
        try:
            async for value in self._source:
                self.give(value)
                while len(self._values) >= self._most:
                    self._taken.clear()
                    await self._taken.wait()
        except Exception as error:  # noqa: BLE001 - for the reader
            last = error
        self.give(last)


async def _either(first: _Pump, second: _Pump) -> None:
    """Wait until one of the two has a value."""
    if first.filled.is_set() or second.filled.is_set():
        return
    waits = [asyncio.ensure_future(pump.filled.wait()) for pump in (first, second)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
