"""A worker that gives its workflow cache up before its process has no memory left."""

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from temporalio.worker import Worker

from .._errors import AgentTypeError, AgentValueError
from .._wire.run_reads import cached_runs

logger = logging.getLogger(__name__)

_KEPT = 0.75
"""Part of the cached workflows that the next worker may keep: the room is for what they grow."""

_STATM = Path("/proc/self/statm")


class MemoryBoundWorker:
    """Runs a worker. If its process uses too much memory, another worker with a smaller cache replaces it.

    temporalio keeps `max_cached_workflows` workflows for a worker's life, however much memory they need, and
    cannot drop them while the worker runs. This one measures the process. Above `limit` bytes it shuts the
    worker down, which drops all cached workflows, and makes the next one, which may keep three quarters as
    many as were cached. No workflow is lost: each is replayed from its history with its next task.

        def make(cached: int) -> Worker:
            return Worker(client, task_queue="chats", workflows=[Chat], max_cached_workflows=cached)

        await MemoryBoundWorker(make, limit=1_500_000_000).run()

    Args:
        make: Makes a worker with that `max_cached_workflows`. It is called again for each replacement.
        limit: Bytes of resident memory. Set it well below what the container may use: between two looks, and
            while running activities end, memory grows.
        max_cached_workflows: The size of the first worker's cache.
        min_cached_workflows: The least size. A worker whose cache is as small is not replaced any more.
        every: Time between two looks at the memory.
        measure: Returns the bytes that count. By default the resident memory of the process as Linux tells
            it; elsewhere give a function, for example with psutil.

    Attributes:
        worker: The worker that runs now; None before `run`.
        max_cached_workflows: The size of its cache.
        replaced: How many workers were replaced.

    Raises:
        AgentTypeError: If `make` cannot be called.
        AgentValueError: If a number is not above 0, the least size is above the first one, or the system does
            not tell the memory and there is no `measure`.
    """

    def __init__(
        self,
        make: Callable[[int], Worker],
        *,
        limit: int,
        max_cached_workflows: int = 1000,
        min_cached_workflows: int = 50,
        every: timedelta = timedelta(seconds=1),
        measure: Callable[[], int] | None = None,
    ) -> None:
        if not callable(make):
            raise AgentTypeError(f"MemoryBoundWorker: {make!r} is not a function that makes a worker")
        if limit <= 0 or every <= timedelta(0):
            raise AgentValueError(f"MemoryBoundWorker: limit={limit!r} and every={every!r} are above 0")
        if not 0 < min_cached_workflows <= max_cached_workflows:
            raise AgentValueError(
                f"MemoryBoundWorker: min_cached_workflows={min_cached_workflows!r} is not from 1 to "
                f"max_cached_workflows={max_cached_workflows!r}"
            )
        if measure is None and not _STATM.exists():
            raise AgentValueError(
                "MemoryBoundWorker: this system does not tell the memory of a process. Give measure=, for "
                "example lambda: psutil.Process().memory_info().rss"
            )
        self._measure = measure or resident_bytes
        self._cached = 0
        self._make = make
        self._limit = limit
        self._least = min_cached_workflows
        self._every = every.total_seconds()
        self._ends = asyncio.Event()
        self.max_cached_workflows: int = max_cached_workflows
        self.worker: Worker | None = None
        self.replaced: int = 0

    async def run(self) -> None:
        """Run workers until `shutdown`, or until this task is cancelled.

        Raises:
            Exception: What a worker raises that cannot go on.
        """
        while not self._ends.is_set():
            self.worker = self._make(self.max_cached_workflows)
            running = asyncio.ensure_future(self.worker.run())
            try:
                await self._watch(running)
            finally:
                if not running.done():
                    await self.worker.shutdown()
                await running
            if not self._ends.is_set():
                self._replace()

    async def shutdown(self) -> None:
        """End the running worker as `Worker.shutdown` does. `run` returns then."""
        self._ends.set()

    async def _watch(self, running: "asyncio.Future[None]") -> None:
        """Return when the worker has ended, should end, or needs too much memory."""
        ends = asyncio.ensure_future(self._ends.wait())
        try:
            while not (running.done() or ends.done()):
                await asyncio.wait([running, ends], timeout=self._every, return_when=asyncio.FIRST_COMPLETED)
                if self.max_cached_workflows > self._least and self._measure() > self._limit:
                    self._cached = cached_runs()
                    return
            if running.done() and not ends.done():
                running.result()
                self._ends.set()  # somebody else has shut it down
        finally:
            ends.cancel()

    def _replace(self) -> None:
        """Choose the next cache's size, and give the memory of the last one back."""
        cached = min(self._cached or self.max_cached_workflows, self.max_cached_workflows)
        self.worker = None
        self.max_cached_workflows = max(self._least, int(cached * _KEPT))
        self.replaced += 1
        _release()
        logger.warning(
            "limit=<%s>, now=<%s>, cached=<%s>, max_cached_workflows=<%s> | too much memory is in use: a "
            "worker with a smaller cache goes on",
            f"{self._limit:,}",
            f"{self._measure():,}",
            cached,
            self.max_cached_workflows,
        )


def resident_bytes() -> int:
    """Return the resident memory of this process, as Linux tells it."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _release() -> None:
    """Free what nobody refers to, and return free memory to the system."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
