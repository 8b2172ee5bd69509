"""Strands' background tasks on the workflow's own event loop.

Elsewhere Strands runs them on an event loop in a thread of its own, which passes their tool calls back to the
agent's loop (1.62: background_tasks/_runtime.py, in_process/_manager.py). In a workflow both are the same
loop: a background task is a task of the workflow, and the I/O of its tool call is an activity.
"""

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from temporalio import workflow

from .teardown import check_not_torn_down

T = TypeVar("T")


class BackgroundRuntime:
    """Stands in for Strands' runtime: what it is to do on its loop is done on the workflow's."""

    async def run(self, operation: Callable[[], Any]) -> Any:
        """Do it, and wait for it and for what it called back, which comes first from another thread too."""
        result = operation()
        if inspect.isawaitable(result):
            result = await result
        await asyncio.sleep(0)
        return result


class OneLoop:
    """The workflow's loop, with what Strands asks of a loop that belongs to another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def is_closed(self) -> bool:
        """Return False: code that runs on the loop asks."""
        return False

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        """Call back on the next turn of the loop."""
        return self._loop.call_soon(callback, *args)


def start(coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Start what Strands would hand to the agent's loop from another thread."""
    try:
        check_not_torn_down()
    except BaseException:
        coroutine.close()  # dropped as it is, Python warns that it was never awaited
        raise
    return asyncio.create_task(coroutine)


def on_this_loop(future: "concurrent.futures.Future[T]") -> "asyncio.Future[T]":
    """Return what to await for a thread's future that this workflow itself completes.

    An invocation with an `idempotency_token` that runs already is waited for so (1.62:
    agent/_concurrency.py:55); asyncio would wake the loop in the way of another thread, which it has not.
    """
    here: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def copy(done: "concurrent.futures.Future[T]") -> None:
        if here.done():
            return
        error = done.exception()
        if error is None:
            here.set_result(done.result())
        else:
            here.set_exception(error)

    future.add_done_callback(copy)
    return here


async def settled(
    waiters: Sequence["asyncio.Future[Any]"], signal: threading.Event
) -> tuple[set[Any], set[Any]]:
    """Wait until one of `waiters` is done or `signal` is set; return the done ones and the others.

    Strands looks after the signal every 50 ms instead: each look would be a timer in history.
    """
    cancelled = asyncio.create_task(workflow.wait_condition(signal.is_set))
    try:
        await workflow.wait([*waiters, cancelled], return_when=asyncio.FIRST_COMPLETED)
    finally:
        cancelled.cancel()
    done = {waiter for waiter in waiters if waiter.done()}
    return done, set(waiters) - done
