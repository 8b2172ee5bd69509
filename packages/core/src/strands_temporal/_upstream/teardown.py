"""Detects that a workflow is being torn down: none of its code may do anything more.

Two things run a workflow's code after its end. An eviction cancels all tasks, and Strands then calls the
hooks that come after the cancelled step. Python's garbage collector closes unfinished coroutines and
generators wherever it happens to run: the current workflow is then another one, or none.
"""

import asyncio
import gc
import threading
from inspect import CO_COROUTINE
from types import FunctionType, MethodType
from typing import Any

from temporalio import workflow

from .passes import is_eviction
from .stand_in import StandIn


class _Collector(threading.local):
    """Whether this thread is in a garbage collection."""

    running = False


_collector = _Collector()


def watch_collector() -> None:
    """Track from now on when the garbage collector runs. Idempotent."""
    if _note not in gc.callbacks:
        gc.callbacks.append(_note)


def check_not_torn_down() -> None:
    """Stop the running code if its workflow is being torn down. Outside a teardown it does nothing.

    Call it before code that starts something or calls users' code, if a `finally` may reach that code.

    Raises:
        GeneratorExit: In a garbage collection. It ends the coroutine or generator silently.
        asyncio.CancelledError: In an eviction. It continues the eviction's own cancellation.
    """
    if _collector.running:
        raise GeneratorExit
    if _is_evicted():
        raise asyncio.CancelledError("The workflow is being evicted")


def is_torn_down() -> bool:
    """Tell whether the running code's workflow is being torn down."""
    return _collector.running or _is_evicted()


def _note(phase: str, _info: object) -> None:
    _collector.running = phase == "start"


def _is_evicted() -> bool:
    """Tell whether the current workflow is being evicted: temporalio then refuses all workflow calls."""
    noted = is_eviction()
    if noted is not None:  # cheaper than a call that may be refused, and hooks and metrics ask often
        return noted
    if not workflow.in_workflow():
        return False
    try:
        workflow.random()  # a call without a side effect
    except workflow.ReadOnlyContextError:  # a query or a validator
        return False
    except BaseException:  # noqa: BLE001  # its class has no public name
        return True
    return False


class HooksInspect(StandIn):
    """Stands in for the module `inspect` in Strands' hook registry.

    The registry calls `inspect.iscoroutinefunction` before each callback. In a teardown this call raises, so
    that no hook runs: an eviction is not an event of the agent, and the garbage collector may run in another
    workflow or in none. For a plain function or method the answer is found without the type checks of
    `inspect`, which are slow in Temporal's sandbox.
    """

    def iscoroutinefunction(self, callback: Any) -> bool:
        check_not_torn_down()
        function = callback.__func__ if type(callback) is MethodType else callback
        if type(function) is FunctionType and not function.__dict__:  # nobody has marked or wrapped it
            return bool(function.__code__.co_flags & CO_COROUTINE)
        return self._original.iscoroutinefunction(callback)
