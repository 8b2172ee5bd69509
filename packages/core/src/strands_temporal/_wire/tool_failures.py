"""The exceptions of a tool's activity: as failures on the worker, as exceptions again in the workflow.

Strands words a failed tool by the class of the exception (`Error: KeyError - 'city'`; a ValueError, and what
inherits from it, without the class). A failure has only the class's name. Where that is not enough, its
details say more.
"""

import builtins
import inspect
from typing import Any, cast

from strands.interrupt import InterruptException
from temporalio.exceptions import ActivityError, ApplicationError, ServerError, TemporalError

from .failure_sizes import text_of
from .failures import STRANDS_EXCEPTIONS, from_tool_activity_error, to_application_error

_CLASS = "strands_tool_error"
"""Key of the details: module, name and nearest rebuildable builtin class of the exception, and its text where
that is empty, which Temporal would replace."""


class ToolActivityError(ApplicationError):
    """An exception of a tool's activity whose class the workflow cannot import, under that class's name."""

    def __str__(self) -> str:
        """Return the exception's own text."""
        return self.message


class ToolResultError(ValueError):
    """What a tool's activity returned cannot cross. Another attempt would do its work again."""


def tool_failure(error: Exception) -> ApplicationError | None:
    """Return the failure that keeps what Strands must know of `error`; None if it is kept anyway.

    Runs on the worker. Retries are what they would be without it: the type is the class's name.
    """
    if isinstance(error, (TemporalError, InterruptException)):
        return None
    cls = type(error)
    text = text_of(error) if str(error) else ""
    if text and text == str(error) and (STRANDS_EXCEPTIONS.get(cls.__name__) is cls or _rebuilds(cls)):
        return None
    typed = to_application_error(error)
    base = next(parent.__name__ for parent in cls.__mro__ if _rebuilds(parent))
    return ApplicationError(
        text,
        {_CLASS: [cls.__module__, cls.__name__, base, *([] if text else [text])]},
        type=cls.__name__,
        non_retryable=isinstance(error, ToolResultError) or (typed is not None and typed.non_retryable),
    )


def from_tool_failure(error: ActivityError) -> Exception:
    """Return the exception that a failed tool activity means to Strands, worded as in a plain agent.

    Runs in the workflow. Another class of the user's is an `ApplicationError` of that name, which is also an
    instance of the nearest builtin class: `isinstance(event.exception, ValueError)` holds where it would.
    """
    cause = error.cause
    if isinstance(cause, ServerError):  # what the server says of a result that is too large
        return cause
    kept = _kept_class(cause)
    if kept is None or not isinstance(cause, ApplicationError):
        return from_tool_activity_error(error)
    module, name, base, *empty = kept
    text = "" if empty else cause.message
    if (module, name) == (builtins.__name__, base):
        restored = cast("Exception", getattr(builtins, base)(*([text] if text else [])))
    else:
        restored = _named(module, name, base)(text, type=name, non_retryable=True)
    restored.__cause__ = error
    return restored


def _named(module: str, name: str, base: str) -> type[ToolActivityError]:
    parent = getattr(builtins, base, Exception)
    bases = (ToolActivityError,) if parent is Exception else (ToolActivityError, parent)
    return cast("type[ToolActivityError]", type(name, bases, {"__module__": module}))


def _kept_class(cause: BaseException | None) -> list[str] | None:
    details: Any = cause.details[0] if isinstance(cause, ApplicationError) and cause.details else None
    if not isinstance(details, dict) or _CLASS not in details:
        return None
    return cast("dict[str, Any]", details)[_CLASS]


def _rebuilds(cls: type[Any]) -> bool:
    """Tell whether `cls` is a builtin exception that its text alone makes again."""
    if getattr(builtins, cls.__name__, None) is not cls or not issubclass(cls, Exception):
        return False
    if issubclass(cls, (StopIteration, StopAsyncIteration)):  # a coroutine cannot raise them
        return False
    try:
        cls("text")
    except TypeError:  # UnicodeDecodeError, ExceptionGroup
        return False
    return inspect.isclass(cls)
