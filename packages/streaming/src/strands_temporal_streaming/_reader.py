"""Follows a workflow's stream to its end: when to look for more, over outages and into which run."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

from ._log import TRANSIENT_CODES, NoAnswerError, Page, Run
from ._sharing import SharedLog

T = TypeVar("T")

_FIRST_RETRY, _LONGEST_RETRY = 0.05, 1.0  # seconds

_LONGEST_PAUSE = 0.5
"""Seconds between two looks at a workflow that has been silent for long."""

_PAUSE_PER_SILENCE = 0.1
_LONGEST_DEFERRAL = 0.3  # seconds


class StreamReader:
    """Reads a workflow's stream, through all runs of the workflow.

    It asks the server whether the history has grown, and a worker for the stream only if it has.

    Args:
        log: The stream.
        cooldown: Least seconds between two looks.
        patience: Seconds to try again while the server is unreachable, and, once the workflow has ended,
            while no worker answers.
        run: The run that was read before, if any.

    Attributes:
        run: The run that is read; None before the first look.
        status: Temporal's name for how the workflow ended. Empty if the server no longer knows.
    """

    def __init__(self, log: SharedLog, cooldown: float, patience: float, run: Run | None = None) -> None:
        self.run = run
        self.status = ""
        self._log = log
        self._cooldown = cooldown
        self._server, self._workers = _Outage(patience), _Outage(patience)
        self._offset = 0
        self._is_over = False

    async def pages(self, offset: int) -> AsyncIterator[Page]:
        """Yield the stream from `offset` on, until the workflow has ended.

        Raises:
            RPCError: If the workflow is not known, or an outage outlasted the patience.
            ValueError: If the workflow has no stream, or the client cannot decode it.
        """
        self._offset = offset
        pace, seen = _Pace(self._cooldown), (-1, "")
        while True:
            latest = await self._latest(pace.begin())
            run = self.run = self.run if self.run and self.run.id != latest.id else latest
            page = None
            if run.id != latest.id or not run.is_open:
                async for rest in self._finish(run, latest):
                    yield rest
                if self._is_over:
                    return
            elif not run.is_paused and seen != (run.events, run.id) and pace.allows(run):
                page = await self._page(run)
            pace.end()
            if page is not None:
                yield page
                if not page.is_last:
                    continue
                seen = (run.events, run.id)
            await asyncio.sleep(pace.pause)

    async def _finish(self, run: Run, latest: Run) -> AsyncIterator[Page]:
        """Yield the rest of a run that has ended; then read the next one, or none if there is none."""
        if latest.chain != run.chain:  # another workflow has the id now
            async for page in self._rest(run):
                yield page
            self._is_over, self.status = True, await self._last_status(run)
        elif latest.id == run.id:
            async for page in self._rest(run):
                yield page
            if (await self._latest()).id == run.id:  # nobody has reset it meanwhile
                self._is_over, self.status = True, run.status
        else:
            origin = await self._ask(lambda: self._log.origin(latest.id))
            end = await self._answer(lambda: self._log.end(latest.id))
            if end is None:
                return
            continues = not origin.is_reset and not origin.is_fresh and end >= self._offset
            if not continues:  # else the next run has the rest in its own stream
                async for page in self._rest(run):
                    yield page
                # A reset run has what was said before its beginning; what came later may be gone.
                self._offset = min(self._offset, end) if origin.is_reset else 0
            self.run = latest

    async def _rest(self, run: Run) -> AsyncIterator[Page]:
        """Yield what is unread of a run that has ended, as long as the server keeps it."""
        more = True
        while more:
            try:
                page = await self._page(run)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                return
            if page is not None:
                yield page
                more = not page.is_last

    async def _page(self, run: Run) -> Page | None:
        """Return the next page, None if no worker answers now."""
        page = await self._answer(lambda: self._log.next_page(run, self._offset))
        if page is not None:
            self._offset = max(self._offset, page.stop)
        return page

    async def _answer(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        """Return what a worker answers, None if none does now. While the workflow goes on, one is awaited."""
        try:
            answer = await ask()
        except NoAnswerError as error:
            if not (await self._latest()).is_open and not self._workers.is_borne():
                raise error.__cause__ or error from None
            await self._workers.wait()
            return None
        self._workers.ends()
        return answer

    async def _latest(self, max_age: float = 0.0) -> Run:
        return await self._ask(lambda: self._log.latest(max_age))

    async def _last_status(self, run: Run) -> str:
        try:
            return (await self._ask(lambda: self._log.describe(run.id))).status
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return ""

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what the server says, over its outages."""
        while (answer := await self._try(ask)) is None:
            await self._server.wait()
        return answer

    async def _try(self, ask: Callable[[], Awaitable[T]]) -> T | None:
        try:
            answer = await ask()
        except RPCError as error:
            if error.status not in TRANSIENT_CODES or not self._server.is_borne():
                raise
            return None
        self._server.ends()
        return answer


class _Outage:
    """Tracks for how long something has not answered, and how long to wait before it is asked again."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self._delay = _FIRST_RETRY

    def ends(self) -> None:
        """Note an answer."""
        self._since, self._delay = None, _FIRST_RETRY

    def is_borne(self) -> bool:
        """Note that there was no answer; return whether to try again."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since <= self._patience

    async def wait(self) -> None:
        """Wait, each time longer; and by chance, so that many that were refused at once come back singly."""
        await asyncio.sleep(self._delay * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
        self._delay = min(2 * self._delay, _LONGEST_RETRY)


class _Pace:
    """How often to look.

    The pause is a tenth of the silence so far, at most half a second: who speaks again is soon heard, and a
    workflow that waits for days is not asked all the time. It is no less than a look takes, so that many
    readers leave the server and the workers time to work.
    """

    def __init__(self, cooldown: float) -> None:
        self._cooldown = cooldown
        self._began_at = self._heard_at = time.monotonic()
        self._deferred_at: float | None = None
        self.pause = cooldown

    def begin(self) -> float:
        """Note that a look begins. Return how many seconds old what it finds may be."""
        self._began_at = time.monotonic()
        return self.pause

    def allows(self, run: Run) -> bool:
        """Note that something has changed. Return whether to ask a worker now.

        Not in the midst of a workflow task, if it does not last: what it changes is not there yet, and the
        server lets only one query wait for its end.
        """
        self._heard_at = time.monotonic()
        if not run.is_at_work:
            self._deferred_at = None
            return True
        if self._deferred_at is None:
            self._deferred_at = self._heard_at
        return self._heard_at - self._deferred_at > _LONGEST_DEFERRAL

    def end(self) -> None:
        """Note that the look ended, and choose the next pause."""
        now = time.monotonic()
        wanted = max(_PAUSE_PER_SILENCE * (now - self._heard_at), now - self._began_at)
        self.pause = max(self._cooldown, min(wanted, _LONGEST_PAUSE))
