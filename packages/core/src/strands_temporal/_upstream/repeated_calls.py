"""Runs synchronous code that needs the result of a coroutine, in a workflow, where it cannot block.

Some synchronous code of Strands, or of a user, needs the result of asynchronous code at once, for example a
conversation manager that asks a model. `repeat_call` stops such code at the coroutine, undoes what the code
did, awaits the coroutine, and calls the code again from its start. The second call gets the outcome.
"""

import contextlib
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


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
    """One attempt at a synchronous call. It stops at the first coroutine without a known outcome.

    Attributes:
        outcomes: Outcomes of the coroutines at which earlier attempts stopped, in order.
        holders: Objects whose attributes are recorded when the attempt stops.
        attributes: The recorded attributes of each holder.
    """

    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    holders: Sequence[object] = ()
    attributes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def __post_init__(self) -> None:
        self._left = list(self.outcomes)

    def take(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Return the coroutine's outcome if it is known. Otherwise raise `InterceptedCoroutine`."""
        if self._left:
            coroutine.close()
            return self._left.pop(0).get()
        self.attributes = [dict(vars(holder)) for holder in self.holders]
        raise InterceptedCoroutine(coroutine)


_capture: ContextVar[_Capture | None] = ContextVar("strands_temporal_capture", default=None)


@contextlib.contextmanager
def _capturing(capture: _Capture) -> Generator[None]:
    """Make a synchronous call of Strands raise `InterceptedCoroutine` instead of running its coroutine."""
    token = _capture.set(capture)
    try:
        yield
    finally:
        _capture.reset(token)


def is_captured() -> bool:
    """Tell whether a `_capturing` block is active, so that `take_out` may be called."""
    return _capture.get() is not None


def take_out(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the outcome of a coroutine that a captured call wants to run, if it is known.

    Raises:
        InterceptedCoroutine: If it is not known yet.
    """
    capture = _capture.get()
    if capture is None:
        raise RuntimeError("no call is captured")
    return capture.take(coroutine)


async def repeat_call(
    call: Callable[[], T],
    *,
    undo: Callable[[], None],
    may_wait: Callable[[], bool],
    holders: Sequence[object] = (),
) -> T:
    """Call a synchronous function that runs coroutines synchronously, and await these coroutines.

    The call stops at each coroutine and is undone. When the coroutine has ended, the call is made again and
    gets the outcome. So `call` runs once for each coroutine, and once more.

    Args:
        call: The synchronous function.
        undo: Undoes what `call` did before it stopped.
        may_wait: Called when `call` has stopped at a coroutine. If it returns False, `call` is made again
            without help, and Strands' own synchronous call is refused.
        holders: Objects that `call` changes only while a coroutine runs. The coroutine sees the attributes
            that they had when `call` stopped at it.
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
    """Give each holder the recorded `attributes` during the block. Restore the changed ones after it."""
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


def intercept_coroutine(call: Callable[[], Any]) -> Coroutine[Any, Any, Any]:
    """Return the coroutine that a synchronous call of Strands would run in a thread."""
    with _capturing(_Capture()):
        try:
            call()
        except InterceptedCoroutine as captured:
            return captured.coroutine
    raise RuntimeError("Strands did not start a coroutine for the tool, as 1.62 does")
