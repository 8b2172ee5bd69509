"""Strands' background tasks on the workflow's own loop.

Outside, Strands runs them on a loop in a thread of its own, which hands their tool calls back to the agent's
(1.62: background_tasks/_runtime.py, in_process/_manager.py). In a workflow both are the same loop: a
background task is a task of the workflow, and its tool call's I/O an activity.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from temporalio import workflow


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
    return asyncio.create_task(coroutine)


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
