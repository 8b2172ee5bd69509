"""Runs Strands' synchronous calls of asynchronous code inline.

Outside a workflow Strands runs the coroutine of such a call in a thread with its own event loop (1.62:
_async.py:19, a dozen callers: `agent(...)`, `agent.tool.x()`, the hooks of a `Graph` while it is built, ...).
A workflow has no threads. A coroutine that never waits runs to its end at once. One that would start an
activity or a timer is refused, and the error names the awaitable alternative. At a few of these calls the
coroutine may wait later instead (`deferred.py`): it then stands where it would start the activity.

`call_and_wait` is such an alternative for code of Strands that cannot be awaited: it takes the coroutine out
of the synchronous call, awaits it, and makes the synchronous call again with the coroutine's result.
"""

import asyncio
import contextlib
import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from typing_extensions import Self

from .._errors import SynchronousCallError

T = TypeVar("T")

_ADVICE = (
    "In a workflow a synchronous call cannot wait for {what}. Write `await agent.invoke_async(...)` "
    "for `agent(...)`, `await agent.tool_async.name(...)` for `agent.tool.name(...)`, `await "
    "reduce_context(agent)` for `agent.conversation_manager.reduce_context(agent)`, and await the "
    "asynchronous form of any other call"
)


class _InlineRun:
    """One coroutine that runs to its end at once, or up to the point where it would have to wait."""

    def __init__(self, *, may_stop: bool = False) -> None:
        self.refused: SynchronousCallError | None = None
        self.may_stop = may_stop
        self.task = _current_task()
        self.over: asyncio.Event | None = asyncio.Event() if may_stop else None


class StoppedCoroutine:
    """A coroutine that stands where it would have to wait. `finish` runs the rest of it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any, run: _InlineRun) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._run = run

    async def finish(self) -> Any:
        """Run the rest of the coroutine. Call it once, in a task of the workflow."""
        if self._run.over is not None:
            self._run.over.set()
        return await _rest(self._coroutine, self._waits_for)

    def close(self) -> None:
        """Drop the rest of the coroutine."""
        self._coroutine.close()


class _Stop:
    """What a coroutine yields to stop where it would start an activity."""

    def __await__(self) -> "Generator[_Stop]":
        yield self


@types.coroutine
def _rest(coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    """Run the rest of a coroutine that yielded `waits_for`. `await` refuses a coroutine that has begun."""
    try:
        if isinstance(waits_for, _Stop):
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


class InterceptedCoroutine(BaseException):  # not an error: its handler continues with the coroutine
    """Raised in a `capturing` block when Strands wants to run `coroutine` synchronously."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        super().__init__()
        self.coroutine = coroutine


@dataclass
class Outcome:
    """The result of a coroutine, or the exception that it raised."""

    value: Any = None
    error: Exception | None = None

    def get(self) -> Any:
        """Return the result, or raise the exception."""
        if self.error is not None:
            raise self.error
        return self.value


async def outcome_of(coroutine: Coroutine[Any, Any, Any]) -> Outcome:
    """Await a coroutine, and return its result or its exception."""
    try:
        return Outcome(await coroutine)
    except Exception as error:  # noqa: BLE001  # its user raises it
        return Outcome(error=error)


@dataclass
class _Capture:
    """A synchronous call whose coroutines are taken out.

    Attributes:
        outcomes: Outcomes of the coroutines that were taken out before, in order.
        holders: Objects whose attributes to note when a coroutine is taken out.
        attributes: Their attributes at that time.
    """

    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    holders: Sequence[object] = ()
    attributes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __post_init__(self) -> None:
        self._left = list(self.outcomes)

    def take(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return the outcome of the coroutine, if it has one. Else take it out."""
        if self._left:
            coroutine.close()
            return self._left.pop(0).get()
        self.attributes = [dict(vars(holder)) for holder in self.holders]
        raise InterceptedCoroutine(coroutine)


_drive: ContextVar[_InlineRun | None] = ContextVar("strands_temporal_drive", default=None)
_capture: ContextVar[_Capture | None] = ContextVar("strands_temporal_capture", default=None)


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
        await _Stop()
    else:  # a task that the coroutine has created
        await drive.over.wait()


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. Stands in for `asyncio.run` in a workflow.

    Raises:
        SynchronousCallError: If the coroutine would have to wait.
        InterceptedCoroutine: Inside a `_capturing` block. The exception has the coroutine, which has not run.
    """
    capture = _capture.get()
    if capture is not None:
        return capture.take(coroutine)
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


def run_or_stop(coroutine: Coroutine[Any, Any, Any]) -> StoppedCoroutine | None:
    """Run a coroutine inline to its end, or up to the point where it would have to wait.

    Returns:
        The rest of the coroutine, or None if it has ended.

    Raises:
        SynchronousCallError: If it waits for something else than an activity in a workflow's `__init__`,
            where the workflow's event loop does not run.
    """
    run = _InlineRun(may_stop=True)
    token = _drive.set(run)
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    finally:
        _drive.reset(token)
    if run.task is None and not isinstance(waits_for, _Stop):
        coroutine.close()
        raise SynchronousCallError(_ADVICE.format(what="something that takes time"))
    return StoppedCoroutine(coroutine, waits_for, run)


def _current_task() -> "asyncio.Task[Any] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop runs: a workflow's `__init__`
        return None


@contextlib.contextmanager
def _capturing(capture: _Capture) -> Generator[None]:
    """Make a synchronous call of Strands raise `InterceptedCoroutine` instead of running its coroutine."""
    token = _capture.set(capture)
    try:
        yield
    finally:
        _capture.reset(token)


def is_captured() -> bool:
    """Tell whether a synchronous call of Strands would be awaited, as `call_and_wait` does."""
    return _capture.get() is not None


async def call_and_wait(
    call: Callable[[], T],
    *,
    undo: Callable[[], None],
    may_wait: Callable[[], bool],
    holders: Sequence[object] = (),
) -> T:
    """Make a synchronous call, in which Strands makes further synchronous calls. Wait for those.

    The call stops at each of them and is undone. When the coroutine has run, the call is made again, and gets
    the outcome. So it runs once more than it makes synchronous calls.

    Args:
        call: The call.
        undo: Undoes what the call did before it stopped.
        may_wait: Asked when there is something to wait for. If it says no, the call is made again as Strands
            makes it, and is refused there.
        holders: Objects that the call changes for the time of a synchronous call, and changes back. The
            coroutine finds them as they were when it was taken out.
    """
    outcomes: list[Outcome] = []
    while True:
        capture = _Capture(outcomes, holders)
        try:
            with _capturing(capture):
                return call()
        except InterceptedCoroutine as intercepted:
            coroutine = intercepted.coroutine
        undo()
        if not may_wait():
            coroutine.close()
            return call()
        with _attributes(holders, capture.attributes):
            outcomes.append(await outcome_of(coroutine))


@contextlib.contextmanager
def _attributes(holders: Sequence[object], attributes: Sequence[dict[str, Any]]) -> Generator[None]:
    """Give objects other values of their attributes, where they differ, during the block."""
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for holder, wanted in zip(holders, attributes, strict=True):
        now = vars(holder)
        changed = {name: value for name, value in wanted.items() if now.get(name) is not value}
        changes.append((now, {name: now[name] for name in changed if name in now}))
        now.update(changed)
    try:
        yield
    finally:
        for now, before in changes:
            now.update(before)


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
    with _capturing(_Capture()):
        try:
            call()
        except InterceptedCoroutine as captured:
            return captured.coroutine
    raise RuntimeError("Strands did not start a coroutine for the tool, as 1.62 does")
