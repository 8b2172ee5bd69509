"""Runs blocking work outside the event loop: Strands' MCP client starts, stops and lists synchronously."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_thread(function: Callable[[], T]) -> "Future[T]":
    """Run `function` in a thread of its own, and return the future of its result.

    `asyncio.to_thread` would use the event loop's pool, which outlives the worker. Hanging servers would fill
    it.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # callers cannot cancel it

    def run() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001  # as in a thread pool: the future carries it
            future.set_exception(error)
        else:
            future.set_result(result)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="strands-temporal-mcp", daemon=True).start()
    return future
