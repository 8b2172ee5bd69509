"""Ends a plain tool that computes for too long inside a workflow, before Temporal takes it for a deadlock.

After two seconds Temporal fails the workflow task and tries it again, with the same tool call: the run would
never end. A model chooses what a tool computes, so nobody can rule that out beforehand.

The tool's thread is interrupted by an exception, as temporalio itself does two seconds after its begin. A
patch marker keeps that in the history: a replay does not run the tool again. Code that Python cannot
interrupt, one operation in C for example, still ends in a deadlock.
"""

import asyncio
import ctypes
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

from temporalio import workflow

T = TypeVar("T")

LIMIT = 1.5
"""Seconds that one tool may compute, of its thread's own time: a busy machine counts for nothing."""

_calls: WeakKeyDictionary[asyncio.AbstractEventLoop, Counter[str]] = WeakKeyDictionary()


class SlowToolError(RuntimeError):
    """A tool was ended that computed for too long."""

    def __init__(self) -> None:
        super().__init__(
            f"The tool was ended after it had computed for {LIMIT:g} seconds inside the workflow, where two "
            "are a deadlock for Temporal. Ask it for less, or run it on a worker: activity_as_tool, or "
            "StrandsPlugin(tools=...) with TemporalTools"
        )


def run_bounded(loop: asyncio.AbstractEventLoop, function: Callable[..., T], *args: object) -> T:
    """Return what a plain tool returns, or raise what it raises.

    Args:
        loop: The event loop of this run of the workflow.
        function: The tool.
        *args: Its arguments.

    Raises:
        SlowToolError: If the tool was ended, now or when this run was recorded.
    """
    calls = _calls.setdefault(loop, Counter())
    calls["tool"] += 1
    marker = f"strands-temporal-slow-tool-{calls['tool']}"
    if workflow.unsafe.is_replaying():
        if workflow.patched(marker):
            raise SlowToolError
        return function(*args)
    watch = _Watch()
    try:
        try:
            return function(*args)
        finally:
            watch.end()
            if watch.fired:
                raise _TooLongError  # whatever the tool made of it
    except _TooLongError:
        workflow.patched(marker)
        raise SlowToolError from None


class _TooLongError(BaseException):
    """Interrupts a tool. No `Exception`, which many tools catch."""


class _Watch:
    """Interrupts the thread that made it, once that has computed for `LIMIT`."""

    def __init__(self) -> None:
        self.fired = False
        self._thread = threading.get_ident()
        self._began = self._computed()
        self._over = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="strands-temporal slow tool", daemon=True).start()

    def end(self) -> None:
        """Interrupt no more."""
        with self._lock:
            self._over.set()
            if self.fired:
                _raise_in(self._thread, None)  # not yet delivered, perhaps

    def _run(self) -> None:
        while not self._over.wait(max(0.01, LIMIT - (self._computed() - self._began))):
            with self._lock:
                if not self._over.is_set() and self._computed() - self._began >= LIMIT:
                    self.fired = True
                    _raise_in(self._thread, _TooLongError)
                    return

    def _computed(self) -> float:
        """Return the seconds that the thread has computed, or real ones where no system says."""
        if hasattr(time, "pthread_getcpuclockid"):
            return time.clock_gettime(time.pthread_getcpuclockid(self._thread))
        return time.monotonic()


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    exception = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)
