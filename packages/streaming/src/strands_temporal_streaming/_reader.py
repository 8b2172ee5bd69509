"""Follows a workflow's stream to its end, through outages, and finds the next run."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from temporalio.api.common.v1 import Payload
from temporalio.service import RPCError, RPCStatusCode

from ._log import TRANSIENT_CODES, Item, NoAnswerError, Origin, Page, Run
from ._pace import COOLDOWN, Outage, Pace
from ._run_ends import AskRunEnd
from ._sharing import SharedLog
from ._tails import Tail
from ._told import Told

T = TypeVar("T")

_LOOKS_BACK = 5
"""How often to look for items that the stream may never have had."""


class StreamReader:
    """Reads a workflow's stream, through all runs of the workflow.

    It asks the server whether the history has grown. Only then does it ask a worker for the stream.

    Args:
        log: The stream.
        cooldown: Shortest time between two polls, in seconds; None for one that suits the worker's pace.
        patience: Seconds to keep retrying while the server is unreachable. Once the workflow has ended, the
            same limit applies while no worker answers.
        run: The run that was read before, if any.
        has_pieces: Whether what a model call writes is in the log. Else the log has news less often.
        ends: Returns what a worker told of a run's end; None if the transport carries no ends.

    Attributes:
        run: The run that is read; None before the first poll.
        status: Temporal's name for the status with which the workflow ended. Empty if the server no longer
            knows it.
    """

    def __init__(
        self,
        log: SharedLog,
        cooldown: float | None,
        patience: float,
        run: Run | None = None,
        *,
        has_pieces: bool = True,
        ends: AskRunEnd | None = None,
    ) -> None:
        self.run = run
        self.status = ""
        self._log = log
        self._cooldown = cooldown
        self._has_pieces = has_pieces
        self._ends = ends
        self._server, self._workers = Outage(patience), Outage(patience)
        self._go_to(0)
        self._is_over = False
        self._pokes, self._poked = 0, asyncio.Event()

    def poke(self) -> int:
        """Poll at once, and yield a page even if it is empty. Return the poll's number: `Page.polled`."""
        self._pokes += 1
        self._poked.set()
        return self._pokes

    async def kept(self, stop: int) -> AsyncGenerator[Page]:
        """Yield all that the stream has now, from its first item, up to `stop` at least.

        Raises the errors of `pages`.
        """
        latest = await self._latest(is_asked=True)
        run = self.run if self.run and self.run.id != latest.id else latest
        offset, tries = 0, 0
        while True:
            # A page that was fetched before may be older than the state by which the reader knows `stop`.
            ask = partial(self._log.page, run.id) if tries else partial(self._log.next_page, run)
            page = await self._answer(partial(ask, offset))
            if page is None:
                continue
            yield page
            offset = max(offset, page.stop)
            if page.is_last and (offset >= stop or tries == _LOOKS_BACK):
                return
            if page.is_last:
                tries += 1
                await asyncio.sleep(COOLDOWN)

    async def begun_at(self) -> str:
        """Return when the run started to which the first items of the stream belong; "" if not known."""
        run = self.run or await self._latest()
        if run.id == run.chain or await self._ask(partial(self._log.origin, run.id)) is Origin.FRESH:
            return run.started_at
        try:
            return (await self._ask(partial(self._log.describe, run.chain))).started_at
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return ""

    async def pages(self, offset: int) -> AsyncGenerator[Page]:
        """Yield the stream from `offset` on, until the workflow has ended.

        Raises:
            RPCError: If the workflow is not known, or if an outage lasts longer than `patience`.
            ValueError: If the workflow has no stream, or the client cannot decode it.
        """
        self._go_to(offset)
        pace, seen = Pace(self._cooldown), (-1, "")
        heartbeats: tuple[bytes, ...] = ()
        polled = 0
        while True:
            asked = self._pokes
            self._poked.clear()
            max_age = pace.begin(is_asked=asked != polled)
            latest = await self._latest(max_age, is_asked=asked != polled)
            run = self.run = self.run if self.run and self.run.id != latest.id else latest
            page = None
            if run.id != latest.id or not run.is_open:
                async for rest in self._finish(run, latest):
                    yield rest
                if self._is_over:
                    return
            elif not run.is_paused and seen != (run.events, run.id) and pace.allows(run):
                page = await self._page(run)
            tails: Sequence[Tail] = ()
            if run.heartbeats != heartbeats and run.id == latest.id:
                heartbeats = run.heartbeats
                tails = await self._log.tails(run)
                pace.hears(tails)
            pace.end(is_calling=run.is_calling, is_woken=not self._has_pieces)
            if page is not None:
                yield replace(page, polled=asked)
                if not page.is_last:
                    continue
                seen, polled = (run.events, run.id), asked
            elif polled != asked and seen == (run.events, run.id):
                polled = asked
                yield Page(self._offset, self._offset, self._offset, (), True, polled=asked)
            if tails:
                yield Page(self._offset, self._offset, self._offset, (), True, tails)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._poked.wait(), pace.pause)

    async def _finish(self, run: Run, latest: Run) -> AsyncIterator[Page]:
        """Yield the rest of a run that has ended. Then switch to the next run, or record the end."""
        if latest.id != run.id and latest.chain == run.chain:
            async for page in self._change(run, latest):
                yield page
            return
        async for page in self._rest(run):
            yield page
        if latest.chain != run.chain:  # another workflow now has the id
            self._is_over, self.status = True, await self._last_status(run)
        elif (await self._latest()).id == run.id:  # not reset in the meantime
            self._is_over, self.status = True, run.status

    async def _change(self, run: Run, latest: Run) -> AsyncIterator[Page]:
        """Yield the items that the latest run does not have, and switch to it.

        If no worker answers, do not switch yet.
        """
        origin = await self._ask(partial(self._log.origin, latest.id))
        if origin is Origin.CONTINUED:
            agreed = await self._continued(latest, self._offset - 1)
            if agreed is None:
                return
            if agreed == self._offset:  # the latest run has the stream's state
                async for page in self._cut_before(run, latest):
                    yield page
                self.run = latest
                return
        async for page in self._rest(run):
            yield page
        start: int | None = 0
        if origin is Origin.RESET:
            start = await self._agreed(latest, self._told.start)
        elif origin is Origin.CONTINUED:
            start = await self._continued(latest, self._told.start)
        if start is not None:
            self._go_to(start)
            self.run = latest

    async def _continued(self, run: Run, since: int) -> int | None:
        """Return the offset at which to go on in a run that was continued as new; None if no worker answers.

        That is behind the last item from `since` on that both runs have. It is 0 if they share none: then the
        run has a stream of its own. The items behind it may differ: the earlier run told them after it had
        given its state to the next one, or a query ran it ahead of its history.
        """
        offset, behind = max(since, self._told.start), 0
        while True:
            page = await self._answer(partial(self._log.page, run.id, offset))
            if page is None:
                return None
            behind = max(behind, self._told.shared(page) or 0)
            if page.stop >= self._offset and self._told.is_empty:
                return self._offset
            if page.is_last or page.stop >= self._offset:
                return min(behind, page.stop)
            offset = page.stop

    async def _agreed(self, run: Run, since: int) -> int | None:
        """Return the offset up to which `run` has the items that were read; None if no worker answers.

        A run that began by a reset has the items up to the reset, and may have different ones after them.
        """
        offset = max(since, self._told.start)
        while True:
            page = await self._answer(partial(self._log.page, run.id, offset))
            if page is None:
                return None
            if (differs := self._told.differs(page)) is not None:
                return differs
            if page.is_last or page.stop >= self._offset:
                return min(page.stop, self._offset)
            offset = page.stop

    async def _cut_before(self, run: Run, latest: Run) -> AsyncIterator[Page]:
        """Yield what is unread of a run, and no longer kept by the latest one, which took its stream over."""
        first = await self._answer(partial(self._log.page, latest.id, self._offset))
        if first is not None and first.start > self._offset:
            async for page in self._rest(run):
                yield page

    async def _rest(self, run: Run) -> AsyncIterator[Page]:
        """Yield the unread items of a run that has ended, if the server still keeps the run."""
        try:
            closed = await self._ask(partial(self._log.describe, run.id)) if run.is_open else run
            if (told := await self._told_end(closed)) is not None:
                yield told
                return
            more = True
            while more:
                page = await self._page(closed)
                if page is not None:
                    yield page
                    more = not page.is_last
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise

    async def _page(self, run: Run) -> Page | None:
        """Return the next page, or None if no worker answers now."""
        page = await self._answer(lambda: self._log.next_page(run, self._offset))
        return None if page is None else self._took(page)

    async def _told_end(self, run: Run) -> Page | None:
        """Return the rest of a run that has ended, if a worker told it: then no worker has to replay it."""
        end = None if self._ends is None else await self._log.end(run, self._ends)
        if end is None or not end.has(self._offset):
            return None
        start = max(self._offset, end.start)
        items = [
            Item(offset, topic, Payload.FromString(base64.b64decode(data)))
            for offset, topic, data in end.items
            if offset >= start
        ]
        return self._took(Page(self._offset, start, end.stop, items, True))

    def _took(self, page: Page) -> Page:
        """Remember a page that was read."""
        self._told.add(page)
        self._offset = max(self._offset, page.stop)
        return page

    def _go_to(self, offset: int) -> None:
        self._offset, self._told = offset, Told(offset)

    async def _answer(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Return a worker's answer; None if none answers now. While the workflow runs, wait without limit."""
        try:
            answer = await ask()
        except NoAnswerError as error:
            if not (await self._latest()).is_open and not self._workers.should_retry():
                raise error.__cause__ or error from None
            await self._workers.wait()
            return None
        self._workers.ends()
        return answer

    async def _latest(self, max_age: float = 0.0, *, is_asked: bool = False) -> Run:
        return await self._ask(lambda: self._log.latest(max_age, is_asked=is_asked))

    async def _last_status(self, run: Run) -> str:
        try:
            return (await self._ask(lambda: self._log.describe(run.id))).status
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return ""

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the server's answer, with retries during outages."""
        while (answer := await self._try(ask)) is None:
            await self._server.wait()
        return answer

    async def _try(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        try:
            answer = await ask()
        except RPCError as error:
            if error.status not in TRANSIENT_CODES or not self._server.should_retry():
                raise
            return None
        self._server.ends()
        return answer
