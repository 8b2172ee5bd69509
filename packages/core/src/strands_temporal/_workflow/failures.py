"""The failure that ends a workflow when an error leaves its agent."""

from typing import cast

from strands.types import exceptions as strands_exceptions
from temporalio.exceptions import ApplicationError, TemporalError

from .._errors import AgentTypeError, AgentValueError
from .._wire.failure_sizes import cut, is_sendable, shortened, text_of
from .._wire.failures import error_leaves, to_application_error

_MARK = "__strands_temporal_left_agent__"


def mark_left_agent(error: Exception) -> None:
    """Mark `error` as raised by a call of an agent, so that it ends the run if nobody catches it.

    Bypasses the class's own `__setattr__`, because an exception may be a frozen dataclass. The exception
    itself stays the one that was raised.
    """
    object.__setattr__(error, _MARK, True)


def left_agent(error: BaseException) -> bool:
    """Tell whether `mark_left_agent` marked `error`, or every exception in `error` if that is a group."""
    if getattr(error, _MARK, False) is True:
        return True
    inner = cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))
    return bool(inner) and all(map(left_agent, inner))


def unwrapped(error: Exception) -> Exception:
    """Return the error inside Strands' `EventLoopException`, or `error` if it is any other exception.

    Strands wraps an error that occurs after an agent's first model call. The wrapper adds no information, and
    a failure's type must not depend on when the call failed.
    """
    while isinstance(error, strands_exceptions.EventLoopException):
        error = error.original_exception
    return error


def as_workflow_failure(error: Exception) -> ApplicationError:
    """Return the failure with which `error` ends a run: not retryable, with the class name as its type.

    An exception group with one error (a `TaskGroup` in which one agent failed) becomes the failure of that
    error. For a larger group the message names all its errors.
    """
    error = unwrapped(error)
    inner = [_leaf(leaf) for leaf in error_leaves(error)]
    if len(inner) > 1:
        text = "; ".join(f"{type(leaf).__name__}: {text_of(leaf)}" for leaf in inner)
        return ApplicationError(cut(text), type=type(error).__name__, non_retryable=True)
    error = inner[0]
    if isinstance(error, ApplicationError):
        error = error if is_sendable(error) else shortened(error)
        return ApplicationError(error.message, *error.details, type=error.type, non_retryable=True)
    failure = to_application_error(error)
    return ApplicationError(
        text_of(error),
        *(failure.details if failure else ()),
        type=failure.type if failure else type(error).__name__,
        non_retryable=True,
    )


def construction_error(error: Exception) -> Exception:
    """Return an error that ends the workflow, for an `error` that was raised while an agent was built."""
    if isinstance(error, TemporalError):
        return error
    text = text_of(error)
    if isinstance(error, TypeError):
        return AgentTypeError(text)
    if isinstance(error, ValueError):
        return AgentValueError(text)
    return as_workflow_failure(error)


def _leaf(error: BaseException) -> Exception:
    if not isinstance(error, Exception):
        return Exception(text_of(error))
    return unwrapped(error)
