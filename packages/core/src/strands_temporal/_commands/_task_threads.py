"""The threads in which a worker of `strands-temporal dev` runs workflow tasks. They tell when none runs.

A worker that shuts down may lose a workflow task that the server gives it in that moment (temporalio 1.35,
also without this package). The server waits for such a task until its time-out, ten seconds, and the workflow
stands still. So `dev` shuts a worker down in a pause between two tasks.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_THREADS = 500  # at most, as temporalio has it
_PAUSE = 0.3  # seconds without a task: the tasks of one step of an agent follow each other more quickly
_STEP = 0.02  # seconds


class TaskThreads(ThreadPoolExecutor):
    """A worker's `workflow_task_executor`, which notes when tasks run."""

    def __init__(self) -> None:
        super().__init__(_THREADS, thread_name_prefix="workflow")
        self._lock = threading.Lock()
        self._running = 0
        self._ended = 0.0

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """See base class."""
        with self._lock:
            self._running += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._note_end)
        return future

    async def rest(self, longest: float) -> None:
        """Wait until no task has run for a moment, for at most `longest` seconds."""
        end = time.monotonic() + longest
        # The tasks run in other threads, so no event tells of their ends.
        while time.monotonic() < end and (self._running or time.monotonic() - self._ended < _PAUSE):  # noqa: ASYNC110
            await asyncio.sleep(_STEP)

    def _note_end(self, _: "Future[Any]") -> None:
        with self._lock:
            self._running -= 1
            self._ended = time.monotonic()
