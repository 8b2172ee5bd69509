"""Detects that a workflow is being torn down, when none of its code may do anything more.

Two things run a workflow's code after its end. An eviction cancels all tasks, and Strands then calls the
hooks that come after the cancelled step. And Python's garbage collector closes unfinished coroutines and
generators wherever it happens to run: the current workflow is then another one, or none.
"""

import asyncio
import gc
import threading
from typing import Any

from temporalio import workflow

from .stand_in import StandIn


class _Collector(threading.local):
    """Whether this thread is in a garbage collection."""

    running = False


_collector = _Collector()


def watch_collector() -> None:
    """Note from now on when the garbage collector runs. Idempotent."""
    if _note not in gc.callbacks:
        gc.callbacks.append(_note)


def check_not_torn_down() -> None:
    """Stop the running code if its workflow is being torn down. Outside a teardown it does nothing.

    Call it before what starts something, or calls users' code, and may be reached from a `finally`.

    Raises:
        GeneratorExit: In a garbage collection: what is being closed ends without a word.
        asyncio.CancelledError: In an eviction: the cancellation that is under way goes on.
    """
    if _collector.running:
        raise GeneratorExit
    if workflow.in_workflow() and _is_evicted():
        raise asyncio.CancelledError("The workflow is being evicted")


def _note(phase: str, _info: object) -> None:
    _collector.running = phase == "start"


def _is_evicted() -> bool:
    """Tell whether the current workflow is being evicted: temporalio then refuses what is asked of it."""
    try:
        workflow.random()  # asks for nothing that would be missed
    except workflow.ReadOnlyContextError:  # a query or a validator
        return False
    except BaseException:  # noqa: BLE001  # its class has no public name
        return True
    return False


class HooksInspect(StandIn):
    """The module `inspect` of Strands' hook registry, which asks it about each callback before the call.

    In a teardown the answer is that nothing more is called: neither for an eviction, which is no event of the
    agent's, nor by the garbage collector, which may run in another workflow or in none.
    """

    def iscoroutinefunction(self, callback: Any) -> bool:
        check_not_torn_down()
        return self._original.iscoroutinefunction(callback)
