"""Converts Strands' exceptions to Temporal failures, and back.

An activity's interceptor calls `to_application_error`; the workflow calls `from_activity_error` and
`from_tool_activity_error`.
"""

import builtins
import inspect
from typing import Any, TypeVar, cast

from strands.interrupt import Interrupt, InterruptException
from strands.types import exceptions as strands_exceptions
from temporalio import exceptions as temporal_exceptions
from temporalio.exceptions import ActivityError, ApplicationError, ApplicationErrorCategory

from .._errors import PAYLOAD_TOO_LARGE
from .failure_sizes import LARGEST_FAILURE, is_sendable, origin_of, text_of
from .values import decode, encode, is_json, json_size

T = TypeVar("T", bound=Exception)


STRANDS_EXCEPTIONS: dict[str, type[Exception]] = {
    name: cls
    for name, cls in vars(strands_exceptions).items()
    if inspect.isclass(cls) and issubclass(cls, Exception) and cls.__module__ == strands_exceptions.__name__
} | {InterruptException.__name__: InterruptException}
"""Strands' exception classes by name. An activity sends an exception of these classes as a typed failure, and
the workflow restores the exception."""


def to_application_error(error: BaseException, *, next_retry_delay: Any = None) -> ApplicationError | None:
    """Return the typed failure that an activity sends for an exception of Strands; None for any other.

    Only throttling is retryable: every other exception of Strands would occur again in another attempt. The
    failure of an interrupt carries the interrupt's id, name and reason. Runs on the worker. The counterpart
    is `from_activity_error`.
    """
    name = next((c.__name__ for c in type(error).__mro__ if STRANDS_EXCEPTIONS.get(c.__name__) is c), None)
    if name is None:
        return None
    details = [_interrupt_details(error.interrupt)] if isinstance(error, InterruptException) else []
    if (size := json_size(details)) > LARGEST_FAILURE:
        return ApplicationError(
            f"The reason of an interrupt is too large for Temporal: {size:,} bytes, at most "
            f"{LARGEST_FAILURE:,}. Shorten the reason",
            type=PAYLOAD_TOO_LARGE,
            non_retryable=True,
        )
    # A question is not a failure: BENIGN keeps the worker from logging it as a warning and from counting it.
    category = ApplicationErrorCategory.BENIGN if details else ApplicationErrorCategory.UNSPECIFIED
    retryable = isinstance(error, strands_exceptions.ModelThrottledException)
    return ApplicationError(
        text_of(error),
        *details,
        type=name,
        non_retryable=not retryable,
        next_retry_delay=next_retry_delay,
        category=category,
    )


def from_activity_error(error: ActivityError) -> Exception:
    """Return the exception to raise in the agent loop for a failed activity. Runs in the workflow.

    Restores an exception of Strands. Any other typed failure stays an `ApplicationError` with its type and
    message, because a workflow cannot import a provider SDK's classes. Without a typed cause (a timeout, for
    example) the `ActivityError` itself is returned.
    """
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return error
    restored = _restore(cause)
    if restored is None:
        restored = ApplicationError(cause.message, *cause.details, type=cause.type, non_retryable=True)
    restored.__cause__ = error
    return restored


def from_tool_activity_error(error: ActivityError) -> Exception:
    """Return the exception to give to Strands for a failed tool activity.

    Works as `from_activity_error`, but also restores Python's builtin exceptions, and returns a timeout as
    Temporal's `TimeoutError`. Strands puts the class of a tool's exception into the text for the model.
    """
    if isinstance(error.cause, temporal_exceptions.TimeoutError):
        return error.cause
    restored = from_activity_error(error)
    if not isinstance(restored, ApplicationError):
        return restored
    name = restored.type or ""
    if is_rebuildable(getattr(builtins, name, None)):
        restored = rebuilt_exception(builtins.__name__, name, name, restored.message)
        restored.__cause__ = error
    return restored


def cause_of(error: Exception) -> Exception | None:
    """Return `error` if Temporal accepts it as the cause of a failure, else None.

    The cause may be left out: the failure itself has the text of `error`, shortened and escaped.
    """
    return error if text_of(error) == (str(error) or type(error).__name__) and is_sendable(error) else None


def in_place_of(error: Exception, failure: T) -> T:
    """Return `failure`, to be raised in place of `error`, with the stack trace and causes of `error`."""
    if failure is not error:
        cause = origin_of(error)
        failure.__traceback__ = error.__traceback__
        failure.__cause__ = cause_of(cause) if isinstance(cause, Exception) else None
    return failure


def _interrupt_details(interrupt: Interrupt) -> dict[str, Any]:
    reason = encode(interrupt.reason) if is_json(interrupt.reason) else str(interrupt.reason)
    return {"id": interrupt.id, "name": interrupt.name, "reason": reason}


def _restore(failure: ApplicationError) -> Exception | None:
    cls = STRANDS_EXCEPTIONS.get(failure.type or "")
    if cls is None:
        return None
    if cls is InterruptException:
        given: Any = failure.details[0] if failure.details else {}
        details = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        return InterruptException(
            Interrupt(
                id=_text(details.get("id")),
                name=_text(details.get("name")),
                reason=decode(details.get("reason")),
            )
        )
    if cls is strands_exceptions.EventLoopException:
        return strands_exceptions.EventLoopException(Exception(failure.message))
    if cls is strands_exceptions.AggregateMemoryError:
        return strands_exceptions.AggregateMemoryError(failure.message, [])
    return cls(failure.message)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


class ToolActivityError(ApplicationError):
    """Stands in for an exception of a tool's activity if the workflow cannot import or rebuild its class."""

    def __str__(self) -> str:
        """Return the exception's own text."""
        return self.message


def rebuilt_exception(module: str, name: str, base: str, text: str) -> Exception:
    """Rebuild the exception that a tool's activity raised. Strands gives the model the same text for both.

    A builtin exception comes back as its own class. An exception of any other class becomes an
    `ApplicationError` whose class has that name and is also a subclass of the builtin class `base`. So does a
    builtin exception whose text differs from its argument (KeyError).

    Args:
        module: Module of the exception's class.
        name: Name of the exception's class.
        base: Name of the nearest builtin base class for which `is_rebuildable` is true.
        text: Text of the exception.
    """
    parent = cast("type[Exception]", getattr(builtins, base, Exception))
    if (module, name) == (builtins.__name__, base):
        same = parent(text) if text else parent()
        if str(same) == text:
            return same
    bases = (ToolActivityError,) if parent is Exception else (ToolActivityError, parent)
    named = cast("type[ToolActivityError]", type(name, bases, {"__module__": module}))
    return named(text, type=name, non_retryable=True)


def is_rebuildable(cls: object) -> bool:
    """Tell whether a class is a builtin exception that can be raised again from its text alone."""
    if not (inspect.isclass(cls) and issubclass(cls, Exception)):
        return False
    if getattr(builtins, cls.__name__, None) is not cls:
        return False
    if issubclass(cls, (StopIteration, StopAsyncIteration)):  # a coroutine cannot raise them
        return False
    try:
        cls("text")
    except TypeError:  # UnicodeDecodeError, ExceptionGroup
        return False
    return True


def error_leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in an exception group, at any depth. Any other error is returned in a list."""
    inner: Any = getattr(error, "exceptions", ())  # also of the backport for Python 3.10
    return [leaf for one in inner for leaf in error_leaves(one)] if inner else [error]
