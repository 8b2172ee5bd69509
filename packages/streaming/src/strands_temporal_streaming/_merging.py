"""Merges two sources: the workflow's log, and the pieces that another transport carries.

The order is the order of the run for each call. What the workflow says about a call before it starts comes
before the call's pieces. What the workflow says later comes after the pieces that were published before.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ._beginning import Beginning, beginning, is_after, started, whole
from ._calls import Calls
from ._log import Page
from ._pieces import AT_METADATA, extra_of, seq_of
from ._reader import StreamReader
from ._snapshot import Present
from ._transport import Piece, PieceGap, PieceReader

_MOST_WAITING = 64
"""Pieces that wait for a slow reader, and as many for the log. The transport keeps the rest."""

_DRAIN_SECONDS = 2.0
"""How long to wait for a piece that the transport has, before it is asked whether it is still there."""

_MOST_DRAINS = 10
"""How often to wait as long, while it answers."""

_LAST_SECONDS = 5.0
"""How long to wait for the transport at the end of the workflow."""

_RETRY = 0.25

_LAST_EVENTS = (b"messageStop", b"metadata", b"AttemptFailed")
"""Marks of the last items of an attempt, in the JSON of Strands' events and of ours."""


class MergedReader:
    """Yields pages of the log and pieces.

    Args:
        log: Reads the log.
        pieces: Reads the pieces.
        extra: `extra` of the reader that goes on here; 0 begins at a place of the log (`_beginning.py`).
        calls: Decodes the items.
        present: Returns the present state.
    """

    def __init__(
        self,
        log: StreamReader,
        pieces: PieceReader,
        extra: int,
        calls: Calls,
        present: Callable[[], Awaitable[Present | None]],
    ) -> None:
        self._log = log
        self._pieces = pieces
        self._calls = calls
        self._present = present
        self._next = seq_of(extra)
        self._begins = not extra or extra == extra_of(self._next, is_choosing=True)
        self._has_seq = extra > 0
        self._beginning: Beginning | None = None
        self._held: deque[_Held] = deque()
        self._begun: set[str] = set()  # calls of which the log was read up to their start
        self._is_log_read = False

    @property
    def extra(self) -> int:
        """Where the reader is in the pieces: what goes into its position, beside the log's offset.

        The sequence number of the first piece that was not yielded, and whether pieces after it belong to
        calls that ended before the reader began; 0 before the first piece.
        """
        return self.extra_of(self._held[0].piece.seq if self._held else self._next) if self._has_seq else 0

    def extra_of(self, seq: int) -> int:
        """Return `extra` for a sequence number."""
        return extra_of(seq, is_choosing=self._beginning is not None)

    async def steps(self, offset: int) -> AsyncGenerator[Page | Piece | PieceGap]:
        """Yield all from `offset` of the log and from `extra` on, until the workflow ends."""
        news = asyncio.Event()
        pages = _Pump(self._log.pages(offset), 1, news)
        pieces: _Pump | None = None
        try:
            if self._begins:
                await self._begin(offset, pages)
            pieces = _Pump(self._pieces.pieces(self._next), _MOST_WAITING, news)
            while True:
                if pieces.filled.is_set() and len(self._held) < _MOST_WAITING:
                    for step in self._found(await pieces.take()):
                        yield step
                elif pages.filled.is_set():
                    page = await pages.take()
                    if page is None:
                        break
                    async for step in self._interleaved(page, pieces):
                        yield step
                else:
                    await (pages.filled.wait() if len(self._held) >= _MOST_WAITING else news.wait())
                    news.clear()
            self._is_log_read = True
            for piece in self._release(None):
                yield piece
            last = await self._last()
            if last is None:
                yield PieceGap(self._next, self._next)
                return
            while self._is_behind(last) and (found := await self._soon(pieces)):
                for step in self._found(found):
                    yield step
        finally:
            await pages.close()
            if pieces is not None:
                await pieces.close()

    async def _begin(self, offset: int, pages: "_Pump") -> None:
        first = None if offset else await pages.first()
        if isinstance(first, Page) and first.start == 0:
            found = await whole(self._log, self._pieces, self._calls, first)
        else:
            found = await beginning(self._log, self._pieces, self._calls, offset, self._present)
        self._beginning = found
        self._begun |= found.begun
        self._next = self._next or found.seq
        self._settle()

    def _settle(self) -> None:
        """Stop choosing behind the last piece of a call that ended before the beginning."""
        if self._beginning is None or (last := self._beginning.last) is None:
            return
        if (self._held[0].piece.seq if self._held else self._next) > last:
            self._beginning = None
            self._has_seq = self._next > 0

    async def _interleaved(self, page: Page, pieces: "_Pump") -> AsyncGenerator[Page | Piece | PieceGap]:
        """Yield a page in parts, with the pieces that were published before each item."""
        if self._beginning is not None:
            self._beginning.read(page, self._calls)
        last = await self._pieces.last_seq() if page.items else None
        rest = page
        for item in page.items:
            time = self._calls.time_of(item)
            if last is None or time == "":
                continue
            if rest.items[0].offset < item.offset:  # first, so that `extra` is right for each part
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
                if not self._is_behind(last) or (found := await self._soon(pieces)) is None:
                    return
                if isinstance(found, PieceGap):
                    for step in self._found(found):
                        yield step
                else:
                    self._hold(found)
                continue
            if time is not None and is_after(started(self._held[0].piece), time):
                return
            for piece in self._pop():
                yield piece

    def _found(self, found: Piece | PieceGap | None) -> Iterator[Piece | PieceGap]:
        """Yield what was found, or hold it until the log was read up to the start of its call."""
        if isinstance(found, PieceGap):
            if found.stop > found.start:
                self._next = max(self._next, found.stop)
            else:  # all of it is new
                self._next, self._beginning = 0, None
            yield found
        elif found is not None:
            self._hold(found, polls=not self._is_log_read)
            if self._is_log_read:
                yield from self._pop()
            elif len(self._held) == 1 and found.call in self._begun:
                if AT_METADATA not in found.payload.metadata and any(
                    mark in found.payload.data for mark in _LAST_EVENTS
                ):
                    self._log.poke()  # the workflow's next events come now
                yield from self._pop()

    def _hold(self, piece: Piece, *, polls: bool = False) -> None:
        """Hold a piece, and those after it: a position tells of one sequence number."""
        self._next = piece.seq + 1
        if self._beginning is not None and self._beginning.has(piece, is_read=False) is False:
            self._settle()
            return
        poll = 0
        if polls and piece.call not in self._begun:
            known = (one.poll for one in self._held if one.piece.call == piece.call)
            poll = next(known, 0) or self._log.poke()
        self._held.append(_Held(poll, piece))

    def _pop(self) -> Iterator[Piece]:
        """Yield the first piece that is held, if the reader gets it."""
        if not self._held:
            return
        piece = self._held.popleft().piece  # before it is yielded: `extra` is about the rest
        self._begun.add(piece.call)
        is_told = self._beginning is None or self._beginning.has(piece, is_read=True)
        if is_told:
            self._has_seq = True
            if self._beginning is not None and self._beginning.is_whole:
                self._beginning = None
        self._settle()
        if is_told:
            yield piece

    def _release(self, polled: int | None) -> Iterator[Piece]:
        """Yield the held pieces whose call's start is in the log that was read with this poll."""
        while self._held and (polled is None or self._held[0].poll <= polled):
            yield from self._pop()

    def _is_behind(self, last: int) -> bool:
        """Tell whether pieces up to `last` were not taken yet. Numbers begin at 1; 0 is none at all."""
        return last >= max(self._next, 1)

    async def _soon(self, pieces: "_Pump") -> Piece | PieceGap | None:
        """Return a piece that the transport has; None if it does not come."""
        for _ in range(_MOST_DRAINS):
            with contextlib.suppress(asyncio.TimeoutError):
                return await asyncio.wait_for(pieces.take(), _DRAIN_SECONDS)
            last = await self._pieces.last_seq()
            if last is None or not self._is_behind(last):  # it is away, or has dropped the piece
                return None
        return None

    async def _last(self) -> int | None:
        """Return the last sequence number, with patience; None if the transport stays away."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _LAST_SECONDS
        while (last := await self._pieces.last_seq()) is None and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(_RETRY)
        return last


@dataclass(frozen=True, eq=False)
class _Held:
    """A piece that waits for a poll of the log."""

    poll: int
    piece: Piece


class _Pump:
    """Reads from an iterator in the background, at most some values ahead."""

    def __init__(self, source: AsyncIterator[Any], most: int, news: asyncio.Event) -> None:
        self._values: deque[Any] = deque()
        self._source = source
        self._most = most
        self._news = news
        self.filled, self._taken = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run())

    def give(self, value: Any) -> None:
        """Add a value at the end."""
        self._values.append(value)
        self.filled.set()
        self._news.set()

    async def first(self) -> Any:
        """Return the next value, which stays: a value, None at the end, or the source's exception."""
        await self.filled.wait()
        return self._values[0]

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
