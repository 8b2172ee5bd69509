"""Converts exceptions of a tool's activity to failures on the worker, and back in the workflow.

Strands words a failed tool by the class of the exception (`Error: KeyError - 'city'`; without the class for a
ValueError and its subclasses). A Temporal failure carries only the class's name. Its details carry the
rest if Strands needs more.
"""

from typing import Any, cast

from strands.interrupt import InterruptException
from temporalio.exceptions import ActivityError, ApplicationError, ServerError, TemporalError

from .failure_sizes import text_of
from .failures import (
    STRANDS_EXCEPTIONS,
    from_tool_activity_error,
    is_rebuildable,
    rebuilt_exception,
    to_application_error,
)

_CLASS = "strands_tool_error"
"""Key in the details: module, name and nearest rebuildable builtin class of the exception, and its text if
that is empty, because Temporal would replace an empty text."""


class ToolResultError(ValueError):
    """A tool's activity returned a value that cannot cross. Another attempt would repeat its work."""


def tool_failure(error: Exception) -> ApplicationError | None:
    """Return a failure with everything that Strands needs from `error`; None if Temporal's own is enough.

    Runs on the worker. It does not change retries: the type is the class's name, as in Temporal's failure.
    """
    if isinstance(error, (TemporalError, InterruptException)):
        return None
    cls = type(error)
    text = text_of(error) if str(error) else ""
    if text and text == str(error) and (STRANDS_EXCEPTIONS.get(cls.__name__) is cls or is_rebuildable(cls)):
        return None
    typed = to_application_error(error)
    base = next(parent.__name__ for parent in cls.__mro__ if is_rebuildable(parent))
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
    restored = rebuilt_exception(module, name, base, text)
    restored.__cause__ = error
    return restored


def _kept_class(cause: BaseException | None) -> list[str] | None:
    details: Any = cause.details[0] if isinstance(cause, ApplicationError) and cause.details else None
    if not isinstance(details, dict) or _CLASS not in details:
        return None
    return cast("dict[str, Any]", details)[_CLASS]
