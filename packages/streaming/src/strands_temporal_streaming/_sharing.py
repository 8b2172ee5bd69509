"""Shares requests between all readers of a stream in this process."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Any, Generic, TypeVar, cast
from weakref import WeakValueDictionary

from temporalio.client import Client

from ._end_proof import proven_end
from ._log import Page, Run, StreamLog
from ._run_ends import AskRunEnd, RunEnd
from ._snapshot import Present

T = TypeVar("T")

_PAGES_KEPT = 4  # each has about 1 MB at most


class SharedLog(StreamLog):
    """A stream log that sends one query for all readers at the same offset.

    `shared_log` creates it. It is bound to one event loop.
    """

    def __init__(self, client: Client, workflow_id: str) -> None:
        super().__init__(client, workflow_id)
        self._flights: dict[Hashable, _Flight] = {}
        self._latest: tuple[float, Run] | None = None
        self._pages: dict[tuple[str, int], tuple[int, Page]] = {}
        self._ends: dict[str, RunEnd | None] = {}
        self._asked = FreshAnswer(self._describe_latest)

    async def latest(self, max_age: float = 0.0, *, is_asked: bool = False) -> Run:
        """Return the latest run, described at most `max_age` seconds ago. Raises the errors of `describe`.

        If `is_asked`, it is described after this call.
        """
        if is_asked:
            return await self._asked.get()
        if self._latest is not None and time.monotonic() - self._latest[0] <= max_age:
            return self._latest[1]
        return await self._once("latest", self._describe_latest)

    async def next_page(self, run: Run, offset: int) -> Page:
        """Return a page of the run's stream from `offset` on. Raises the errors of `page`.

        A page that was fetched earlier is used again if history has no more events than then.
        """
        key = (run.id, offset)
        events, page = self._pages.get(key, (-1, None))
        if page is not None and events >= run.events:
            return page
        return await self._once((*key, run.events), lambda: self._keep_page(run, offset))

    async def present(self, run_id: str) -> Present | None:
        """See base class."""
        return await self._once(("present", run_id), partial(super().present, run_id))

    async def end(self, run: Run, ask: AskRunEnd) -> RunEnd | None:
        """Return what a worker told of a run that has ended; None if that is nothing, or not proven."""
        if run.id not in self._ends:
            prove = partial(proven_end, self._client, self._workflow_id, run, ask)
            self._ends[run.id] = await self._once(("end", run.id), prove)
        return self._ends[run.id]

    async def _describe_latest(self) -> Run:
        asked_at = time.monotonic()
        run = await self.describe()
        self._latest = (asked_at, run)
        return run

    async def _keep_page(self, run: Run, offset: int) -> Page:
        page = await self.page(run.id, offset)
        self._pages.pop((run.id, offset), None)
        self._pages[run.id, offset] = (run.events, page)
        if len(self._pages) > _PAGES_KEPT:
            del self._pages[next(iter(self._pages))]
        return page

    async def _once(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a request. Callers with the same `key` at the same time share one request."""
        flight = self._flights.get(key)
        if flight is None or flight.is_over:
            flight = self._flights[key] = _Flight(ask)
        try:
            return cast("T", await flight.answer())
        finally:
            if flight.is_over and self._flights.get(key) is flight:
                del self._flights[key]


class _Flight:
    """A request in progress. It is cancelled when the last caller stops waiting for its answer."""

    def __init__(self, ask: Callable[[], Awaitable[Any]]) -> None:
        self._task = asyncio.ensure_future(ask())
        self._waiting = 0
        self._is_given_up = False

    @property
    def is_over(self) -> bool:
        """Whether no further caller can share this request."""
        return self._task.done() or self._is_given_up

    async def end(self) -> None:
        """Wait until the request is over. Do not keep it going."""
        await asyncio.wait([self._task])

    async def answer(self) -> Any:
        """Return the answer, or raise the request's error."""
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        finally:
            self._waiting -= 1
            if not self._waiting:  # has no effect on a task that is done
                self._is_given_up = True
                self._task.cancel()


class FreshAnswer(Generic[T]):
    """An answer that many may ask for. Each gets one that was asked for after it came.

    Args:
        ask: Asks.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._now: _Flight | None = None
        self._next: _Flight | None = None

    async def get(self) -> T:
        """Return the answer. Raises what `ask` raises."""
        if self._now is None or self._now.is_over:
            flight = self._now = _Flight(self._ask)
        elif self._next is None or self._next.is_over:
            flight = self._next = _Flight(partial(self._after, self._now))
        else:
            flight = self._next
        return cast("T", await flight.answer())

    async def _after(self, now: "_Flight") -> T:
        await now.end()
        self._now, self._next = self._next, None
        return await self._ask()


_logs: WeakValueDictionary[Hashable, SharedLog] = WeakValueDictionary()


def shared_log(client: Client, workflow_id: str) -> SharedLog:
    """Return the log that all readers with this client and event loop share while any of them reads."""
    key = (client, asyncio.get_running_loop(), workflow_id)
    log = _logs.get(key)
    if log is None:
        log = _logs[key] = SharedLog(client, workflow_id)
    return log
