"""Runs blocking work outside the event loop: Strands' MCP client starts, stops and lists synchronously."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

T = TypeVar("T")


class NoAnswerError(Exception):
    """A server did not answer in time, or the worker ended first."""


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


def within(seconds: float, work: Callable[[], T], ending: "Future[None]") -> T:
    """Run blocking `work` in a thread and return its result.

    Raises:
        NoAnswerError: If it takes longer than `seconds`, or the worker ends first: `ending` is done.
    """
    working = in_thread(work)
    either: list[Future[Any]] = [working, ending]
    wait(either, seconds, FIRST_COMPLETED)
    if working.done():
        return working.result()
    raise NoAnswerError("the worker ends" if ending.done() else f"no answer within {seconds:g} seconds")
