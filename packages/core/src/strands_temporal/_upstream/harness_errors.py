"""Errors that strands-harness shows to a model, or drops, and that must end a run.

Its environment plugin drops each error of a sandbox (0.3.2: plugins/environment.py:110, 120, 135), and its
`web_fetch` returns each one as the page that it fetched (tools/web_fetch.py:226). A sandbox that the worker
does not know, or that is lost, would therefore go unnoticed. The stand-ins in `harness.py` watch the
harness's operations on a sandbox. They note such an error, and raise it at the next place that can raise it.
"""

from collections.abc import Awaitable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from .._errors import ActivityNotRegisteredError, SandboxLostError, SandboxNotRegisteredError
from .own_sandboxes import CANNOT_WORK, io_of_own_sandbox, is_unknown_name
from .run_local import run_local

T = TypeVar("T")

_OF_TOOLS = (ActivityNotRegisteredError, SandboxNotRegisteredError, SandboxLostError)
"""Errors that no other arguments of a tool would change."""


def cannot_work(
    error: BaseException, kinds: tuple[type[BaseException], ...] = _OF_TOOLS
) -> BaseException | None:
    """Return the error or cause that must end the run, because something cannot work at all; else None."""
    for link in (error, error.__cause__):  # a tool wraps the errors of its sandbox
        if link is not None and (isinstance(link, kinds) or is_unknown_name(link)):
            return link
    return io_of_own_sandbox(error)


class _Noted(WeakKeyDictionary[Any, BaseException]):
    """The errors of one run's sandboxes."""


async def noting(sandbox: Any, operation: Awaitable[T]) -> T:
    """Await an operation on a sandbox. Note an error for `raise_noted`, and raise it."""
    try:
        return await operation
    except Exception as error:
        if (hopeless := cannot_work(error, CANNOT_WORK)) is not None:
            run_local(_Noted)[sandbox] = hopeless
        raise


def raise_noted(sandbox: Any) -> None:
    """Raise the noted error of a sandbox, if there is one."""
    if (noted := run_local(_Noted).get(sandbox)) is not None:
        raise noted


def forget_noted(sandbox: Any) -> None:
    """Forget the errors, because the workflow may have replaced a sandbox that was lost."""
    run_local(_Noted).pop(sandbox, None)
