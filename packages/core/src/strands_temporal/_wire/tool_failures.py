"""Converts exceptions of a tool's activity to failures on the worker, and back in the workflow.

Strands words a failed tool by the class of the exception (`Error: KeyError - 'city'`; without the class for a
ValueError and its subclasses). A failure has only the class's name. If that is not enough, its details have
the rest.
"""

import builtins
import inspect
from typing import Any, cast

from strands.interrupt import InterruptException
from temporalio.exceptions import ActivityError, ApplicationError, ServerError, TemporalError

from .failure_sizes import text_of
from .failures import STRANDS_EXCEPTIONS, from_tool_activity_error, to_application_error

_CLASS = "strands_tool_error"
"""Key in the details: module, name and nearest rebuildable builtin class of the exception, and its text if
that is empty, because Temporal would replace an empty text."""


class ToolActivityError(ApplicationError):
    """Stands in for an exception class of a tool's activity that the workflow cannot import."""

    def __str__(self) -> str:
        """Return the exception's own text."""
        return self.message


class ToolResultError(ValueError):
    """A tool's activity returned a value that cannot cross. Another attempt would repeat its work."""


def tool_failure(error: Exception) -> ApplicationError | None:
    """Return a failure with all that Strands needs from `error`; None if Temporal's own has enough.

    Runs on the worker. It does not change retries: the type is the class's name, as in Temporal's failure.
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
    """Return the exception to give to Strands for a failed tool activity, worded as in a plain agent.

    Runs in the workflow. A user's own class becomes an `ApplicationError` of that name, which is also an
    instance of the nearest builtin class: `isinstance(event.exception, ValueError)` works as in a plain
    agent.
    """
    cause = error.cause
    if isinstance(cause, ServerError):  # the server's failure for a result that is too large
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
    """Tell whether `cls` is a builtin exception that can be rebuilt from its text alone."""
    if getattr(builtins, cls.__name__, None) is not cls or not issubclass(cls, Exception):
        return False
    if issubclass(cls, (StopIteration, StopAsyncIteration)):  # a coroutine cannot raise them
        return False
    try:
        cls("text")
    except TypeError:  # UnicodeDecodeError, ExceptionGroup
        return False
    return inspect.isclass(cls)
