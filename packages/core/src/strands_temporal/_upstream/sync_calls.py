"""Runs Strands' synchronous calls of asynchronous code inline.

Outside a workflow Strands runs the coroutine of such a call in a thread with its own event loop (1.62:
_async.py:19, a dozen callers: `agent(...)`, `agent.tool.x()`, the hooks of a `Graph` while it is built, ...).
A workflow has no threads. A coroutine that never waits runs to its end at once. One that would start an
activity or a timer is refused, and the error names the awaitable alternative. There are two ways for such a
call to wait nevertheless:

    go on later       `run_until_wait` runs the coroutine up to the point where it would have to wait. The
                      call returns, and the rest runs later (`deferred.py`): nobody needs its result at once.
    make it again     `repeat_call` (`repeated_calls.py`): the caller needs the result.
"""

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar

from typing_extensions import Self

from .._errors import SynchronousCallError
from .repeated_calls import is_captured, take_out

T = TypeVar("T")

_ADVICE = (
    "In a workflow a synchronous call cannot wait for {what}. Write `await agent.invoke_async(...)` "
    "for `agent(...)`, `await agent.tool_async.name(...)` for `agent.tool.name(...)`, `await "
    "reduce_context(agent)` for `agent.conversation_manager.reduce_context(agent)`, and await the "
    "asynchronous form of any other call"
)


class _InlineRun:
    """One coroutine that runs to its end at once, or up to the point where it would have to wait."""

    def __init__(self, *, may_pause: bool = False) -> None:
        self.refused: SynchronousCallError | None = None
        self.task = _current_task()
        self.over: asyncio.Event | None = asyncio.Event() if may_pause else None


class PausedCoroutine:
    """A coroutine that stopped where it would have to wait. `resume` runs the rest of it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any, run: _InlineRun) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._run = run

    async def resume(self) -> Any:
        """Run the rest of the coroutine. Call it once, in a task of the workflow."""
        if self._run.over is not None:
            self._run.over.set()
        return await _rest(self._coroutine, self._waits_for)

    def close(self) -> None:
        """Drop the rest of the coroutine."""
        self._coroutine.close()


class _Pause:
    """A coroutine yields this to pause where it would start an activity."""

    def __await__(self) -> "Generator[_Pause]":
        yield self


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """Run the rest of a coroutine that yielded `waits_for`. `await` refuses a coroutine that has begun."""
    try:
        if isinstance(waits_for, _Pause):
            waits_for = coroutine.send(None)
        while True:
            try:
                answer = yield waits_for
            except BaseException as error:  # noqa: BLE001, PERF203  # a cancellation, too: it is the coroutine's
                waits_for = coroutine.throw(error)
            else:
                waits_for = coroutine.send(answer)
    except StopIteration as done:
        return done.value


_drive: ContextVar[_InlineRun | None] = ContextVar("strands_temporal_drive", default=None)


async def may_wait(what: str) -> None:
    """Refuse to start something that a synchronous call would have to wait for.

    If the call may wait later, this function waits until then.

    Raises:
        SynchronousCallError: If a synchronous call is running. That call raises the error as well, even if
            Strands swallows the one raised here.
    """
    drive = _drive.get()
    if drive is None:
        return
    if drive.over is None:
        drive.refused = drive.refused or SynchronousCallError(_ADVICE.format(what=what))
        raise drive.refused
    if drive.over.is_set():
        return
    if _current_task() is drive.task:
        await _Pause()
    else:  # a task that the coroutine has created
        await drive.over.wait()


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. Stands in for `asyncio.run` in a workflow.

    Raises:
        SynchronousCallError: If the coroutine would have to wait.
        InterceptedCoroutine: Inside a call that `repeat_call` makes. It has the coroutine, which has not run.
    """
    if is_captured():
        return take_out(coroutine)
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


def run_until_wait(coroutine: Coroutine[Any, Any, Any]) -> PausedCoroutine | None:
    """Run a coroutine inline to its end, or up to the point where it would have to wait.

    Returns:
        The rest of the coroutine, or None if it has ended.

    Raises:
        SynchronousCallError: In a workflow's `__init__`, where the workflow's event loop does not run, if the
            coroutine waits for anything but an activity.
    """
    run = _InlineRun(may_pause=True)
    token = _drive.set(run)
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    finally:
        _drive.reset(token)
    if run.task is None and not isinstance(waits_for, _Pause):
        coroutine.close()
        raise SynchronousCallError(_ADVICE.format(what="something that takes time"))
    return PausedCoroutine(coroutine, waits_for, run)


def _current_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs: a workflow's `__init__`
        return None


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
