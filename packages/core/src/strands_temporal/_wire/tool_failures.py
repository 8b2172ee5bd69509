"""Converts exceptions of a tool's activity to failures on the worker, and back in the workflow.

Strands puts the class of a tool's exception into the text for the model (`Error: KeyError - 'city'`), except
for a ValueError and its subclasses. A Temporal failure carries only the name of the class. If Strands needs
more, the failure's details carry the rest.
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
from .values import utf8_text

_CLASS = "strands_tool_error"
"""Key in the failure's details. Its value is a list of the exception's module, class name and nearest builtin
base class that `is_rebuildable`. An exception without a message adds its empty message to the list, because
Temporal would replace an empty text."""


class ToolResultError(ValueError):
    """A tool's activity returned a value that cannot be sent to the workflow.

    Not retried, because another attempt would repeat the activity's work.
    """


def tool_failure(error: Exception) -> ApplicationError | None:
    """Return a failure with all that Strands needs from `error`; None if Temporal's own failure is enough.

    Runs on the worker. The failure does not change retries: its type is the name of the exception's class, as
    in Temporal's own failure.
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

    Runs in the workflow. An exception of a user's own class becomes an `ApplicationError` whose class has
    that name and is also a subclass of the nearest builtin class. So `isinstance(event.exception,
    ValueError)` works as in a plain agent.
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
    kept: Any = cast("dict[str, Any]", details).get(_CLASS) if isinstance(details, dict) else None
    is_ours = isinstance(kept, list) and len(cast("list[Any]", kept)) in (3, 4)
    return kept if is_ours and all(map(_may_name, cast("list[Any]", kept))) else None


def _may_name(value: Any) -> bool:
    """Tell whether Python takes a value as the name of a class."""
    return isinstance(value, str) and utf8_text(value) == value and "\0" not in value
