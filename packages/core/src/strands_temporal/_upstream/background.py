"""Strands' background tasks on the workflow's own event loop.

Outside a workflow Strands runs background tasks on an event loop in a separate thread. That thread passes
their tool calls back to the agent's event loop (1.62: background_tasks/_runtime.py, in_process/_manager.py).
In a workflow both are the workflow's event loop: a background task is an asyncio task of the workflow, and
the I/O of its tool call is an activity.
"""

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from strands.background_tasks._types import BackgroundTask, is_task_status_terminal
from temporalio import workflow

from .teardown import check_not_torn_down

T = TypeVar("T")


class WorkflowTaskRuntime:
    """Stands in for Strands' background task runtime. Runs all operations on the workflow's event loop."""

    async def run(self, operation: Callable[[], Any]) -> Any:
        """Run `operation` and wait for it.

        The callbacks of `operation` run before this method returns, as they do in Strands' thread.
        """
        result = operation()
        if inspect.isawaitable(result):
            result = await result
        await asyncio.sleep(0)
        return result


class WorkflowLoop:
    """The workflow's event loop, plus the methods that Strands calls on an event loop in another thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def is_closed(self) -> bool:
        """Return False: the caller runs on this event loop, so the loop is open."""
        return False

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any) -> asyncio.Handle:
        """Schedule the callback for the event loop's next iteration."""
        return self._loop.call_soon(callback, *args)


def create_task(coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
    """Start a coroutine on the workflow's event loop.

    Outside a workflow Strands passes such a coroutine to the event loop from another thread.
    """
    try:
        check_not_torn_down()
    except BaseException:
        coroutine.close()  # else Python warns that it was never awaited
        raise
    return asyncio.create_task(coroutine)


def wrap_future(future: "concurrent.futures.Future[T]") -> "asyncio.Future[T]":
    """Return an asyncio future for a `concurrent.futures.Future` that this workflow itself completes.

    Strands awaits such a future if an invocation with the same `idempotency_token` already runs (1.62:
    agent/_concurrency.py:55). `asyncio.wrap_future` would wake the event loop from another thread, which a
    workflow's event loop does not support.
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


async def wait_for_settlement(plugin: Any, tasks: Sequence[BackgroundTask]) -> None:
    """Wait until one of an agent's pending background tasks settles, or the agent is cancelled.

    Strands' own method polls the cancel signal every 50 ms (1.62: _background_tasks.py:341). Each poll would
    be a timer in history.

    Args:
        plugin: The agent's `_BackgroundTasks`. Its attributes for agent and manager are private.
        tasks: The agent's background tasks. Tasks that have ended do not count.
    """
    manager, signal = plugin._manager, plugin._agent.cancel_signal  # noqa: SLF001
    waiters = [
        asyncio.ensure_future(manager.wait(task["task_id"]))
        for task in tasks
        if not is_task_status_terminal(task["status"])
    ]
    try:
        if waiters and not signal.is_set():
            await _one_of(waiters, signal)
    finally:
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)


async def _one_of(waiters: Sequence["asyncio.Future[Any]"], signal: threading.Event) -> None:
    cancelled = asyncio.create_task(workflow.wait_condition(signal.is_set))
    try:
        await workflow.wait([*waiters, cancelled], return_when=asyncio.FIRST_COMPLETED)
    finally:
        cancelled.cancel()
