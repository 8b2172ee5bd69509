"""Runs Strands' synchronous calls of asynchronous code inline.

Outside a workflow Strands runs the coroutine of such a call in a thread with its own event loop (1.62:
_async.py:19, a dozen callers: `agent(...)`, `agent.tool.x()`, the hooks of a `Graph` while it is built, ...).
A workflow has no threads. A coroutine that never waits runs to its end at once. One that would start an
activity or a timer is refused, and the error names the awaitable alternative.
"""

import contextlib
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar

from typing_extensions import Self

from .._errors import SynchronousCallError

T = TypeVar("T")

_ADVICE = (
    "In a workflow a synchronous call cannot wait for {what}. Write `await agent.invoke_async(...)` "
    "for `agent(...)`, `await agent.tool_async.name(...)` for `agent.tool.name(...)`, and await the "
    "asynchronous form of any other call"
)


class _InlineRun:
    """One coroutine that runs to its end at once."""

    def __init__(self) -> None:
        self.refused: SynchronousCallError | None = None


class InterceptedCoroutine(BaseException):  # not an error: its handler continues with the coroutine
    """Raised in a `capturing` block when Strands wants to run `coroutine` synchronously."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        super().__init__()
        self.coroutine = coroutine


_drive: ContextVar[_InlineRun | None] = ContextVar("strands_temporal_drive", default=None)
_capture: ContextVar[bool] = ContextVar("strands_temporal_capture", default=False)


def check_may_wait(what: str) -> None:
    """Refuse to start something that a synchronous call would have to wait for.

    Raises:
        SynchronousCallError: If a synchronous call is running. That call raises the error as well, even if
            Strands swallows the one raised here.
    """
    drive = _drive.get()
    if drive is not None:
        drive.refused = drive.refused or SynchronousCallError(_ADVICE.format(what=what))
        raise drive.refused


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. Stands in for `asyncio.run` in a workflow.

    Raises:
        SynchronousCallError: If the coroutine would have to wait.
        InterceptedCoroutine: Inside a `capturing` block. The exception has the coroutine, which has not run.
    """
    if _capture.get():
        raise InterceptedCoroutine(coroutine)
    drive = _InlineRun()
    token = _drive.set(drive)
    try:
        coroutine.send(None)
    except StopIteration as done:
        if drive.refused is not None:
            raise drive.refused from None
        return done.value
    except Exception:
        if drive.refused is not None:
            raise drive.refused from None
        raise
    finally:
        _drive.reset(token)
        coroutine.close()
    raise SynchronousCallError(_ADVICE.format(what="something that takes time"))


@contextlib.contextmanager
def capturing() -> Generator[None]:
    """Make a synchronous call of Strands raise `InterceptedCoroutine` instead of running its coroutine."""
    token = _capture.set(True)
    try:
        yield
    finally:
        _capture.reset(token)


class InlineExecutor:
    """Stands in for a `ThreadPoolExecutor` that Strands creates for one call. Runs the call at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        pass

    def submit(self, function: Callable[..., T], *args: Any) -> "Future[T]":
        """Call `function` and return a done future. An exception is raised here, not by the future."""
        future: Future[T] = Future()
        future.set_result(function(*args))
        return future


def intercept_coroutine(call: Callable[[], Any]) -> Coroutine[Any, Any, Any]:
    """Return the coroutine that a synchronous call of Strands would run in a thread."""
    with capturing():
        try:
            call()
        except InterceptedCoroutine as captured:
            return captured.coroutine
    raise RuntimeError("Strands did not start a coroutine for the tool, as 1.62 does")
