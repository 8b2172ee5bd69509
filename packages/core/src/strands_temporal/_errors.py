"""Errors of strands-temporal.

    ApplicationError (temporalio)           ends a workflow, wherever it is raised
    ├── AgentValueError (also ValueError)       a wrong value in the agent's construction or call
    │   └── PayloadTooLargeError (in _gate.py)  what a workflow sends is too large for the server
    │       ├── CarryTooLargeError (in _carry.py)   a conversation too large for the next run
    │       └── ModelCallTooLargeError              a model call
    ├── AgentTypeError (also TypeError)         a wrong type there
    ├── SnapshotsDisabledError (also NotImplementedError)
    └── SynchronousCallError (also RuntimeError)

Strands' own exceptions have no twin here. They leave an activity as an `ApplicationError` whose type is the
class name (`to_application_error`) and come back in the workflow as themselves (`from_activity_error`).

Agents are often built in a workflow's `__init__`, where no interceptor stands: an ordinary ValueError there
would make Temporal retry the workflow task for ever. What we raise is therefore a Temporal failure as well.
"""

import ast
import builtins
import inspect
from abc import ABCMeta
from typing import Any, ClassVar, TypeVar, cast

from strands.interrupt import Interrupt, InterruptException
from strands.types import exceptions as strands_exceptions
from temporalio import exceptions as temporal_exceptions
from temporalio.exceptions import ActivityError, ApplicationError, ApplicationErrorCategory, TemporalError

from ._upstream.misplaced import misplaced
from ._wire.failure_sizes import LARGEST_FAILURE, cut, is_sendable, origin_of, shortened, text_of
from ._wire.model_call import PAYLOAD_TOO_LARGE
from ._wire.values import decode, encode, is_json, json_size

T = TypeVar("T", bound=Exception)

_MARK = "__strands_temporal_left_agent__"


class AgentValueError(ValueError, ApplicationError):
    """A value given to an agent, a model or a tool of ours is wrong. Ends the workflow at once."""

    failure_type: ClassVar[str] = "AgentValueError"
    """Type of the failure that a client finds."""

    def __init__(self, message: str) -> None:
        ApplicationError.__init__(self, message, type=self.failure_type, non_retryable=True)

    def __str__(self) -> str:
        return self.message


class AgentTypeError(TypeError, ApplicationError):
    """A value of a wrong type, or an unknown option, was given. Ends the workflow at once."""

    def __init__(self, message: str) -> None:
        ApplicationError.__init__(self, message, type="AgentTypeError", non_retryable=True)

    def __str__(self) -> str:
        return self.message


class SnapshotsDisabledError(NotImplementedError, ApplicationError):
    """`take_snapshot()` or `load_snapshot()` was called: the workflow's history already keeps the state."""

    def __init__(self, message: str) -> None:
        ApplicationError.__init__(self, message, type="NotImplementedError", non_retryable=True)

    def __str__(self) -> str:
        return self.message


class SynchronousCallError(RuntimeError, ApplicationError):
    """An agent was called as `agent(...)`, which needs a thread. Use `await agent.invoke_async(...)`."""

    def __init__(self, message: str) -> None:
        ApplicationError.__init__(self, message, type="SynchronousCallError", non_retryable=True)

    def __str__(self) -> str:
        return self.message


STRANDS_EXCEPTIONS: dict[str, type[Exception]] = {
    name: cls
    for name, cls in vars(strands_exceptions).items()
    if inspect.isclass(cls) and issubclass(cls, Exception) and cls.__module__ == strands_exceptions.__name__
} | {InterruptException.__name__: InterruptException}
"""Strands' exception classes by name: what is typed when it leaves an activity and restored in the
workflow."""


class _FailsWorkflow(ABCMeta):
    """Adds what misplaced code of Strands raised. It is all that stands around a workflow's `__init__`."""

    def __instancecheck__(cls, instance: Any) -> bool:
        """See base class."""
        return super().__instancecheck__(instance) or (
            isinstance(instance, Exception) and misplaced(instance) is not None
        )


class StrandsError(Exception, metaclass=_FailsWorkflow):
    """Any exception of Strands, for `isinstance`: what fails a workflow instead of its task.

    One class for all: the sandbox imports each type that it is given again for each workflow.
    """


for _class in STRANDS_EXCEPTIONS.values():
    StrandsError.register(_class)


def to_application_error(error: BaseException, *, next_retry_delay: Any = None) -> ApplicationError | None:
    """Return `error` as the typed failure that crosses an activity's boundary, or None if it is not Strands'.

    Throttling may be retried; every other exception of Strands says something that another attempt would only
    say again. An interrupt carries its payload. Runs on the worker; its counterpart is `from_activity_error`.
    """
    name = next((c.__name__ for c in type(error).__mro__ if STRANDS_EXCEPTIONS.get(c.__name__) is c), None)
    if name is None:
        return None
    details = [_interrupt_details(error.interrupt)] if isinstance(error, InterruptException) else []
    if (size := json_size(details)) > LARGEST_FAILURE:
        return ApplicationError(
            f"The reason of an interrupt is too large for Temporal: {size:,} bytes, at most "
            f"{LARGEST_FAILURE:,}. Give it less",
            type=PAYLOAD_TOO_LARGE,
            non_retryable=True,
        )
    # A question is no failure: the worker neither logs it as a warning nor counts it.
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
    """Return the exception that a failed activity means to the agent loop in the workflow.

    An exception of Strands is that exception. Another typed failure stays an `ApplicationError` with its type
    and message, as a workflow cannot import a provider SDK's classes. What has no type (a time-out) is
    returned as the `ActivityError` it is.
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
    """Return the exception that a failed tool activity means to Strands' tool machinery.

    As `from_activity_error`, and Python's own exceptions come back too: Strands words a tool's error by its
    class.
    """
    if isinstance(error.cause, temporal_exceptions.TimeoutError):
        return error.cause
    restored = from_activity_error(error)
    if isinstance(restored, ApplicationError):
        return _builtin_exception(restored) or restored
    return restored


def mark_left_agent(error: Exception) -> None:
    """Remember that `error` left an agent's call, so that it ends the run if nobody catches it.

    Past a class's own `__setattr__`: an exception may be a frozen dataclass, and must stay what was raised.
    """
    object.__setattr__(error, _MARK, True)


def left_agent(error: BaseException) -> bool:
    """Tell whether `error`, or every exception in it when it is a group, was marked by `mark_left_agent`."""
    if getattr(error, _MARK, False) is True:
        return True
    inner = cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))
    return bool(inner) and all(map(left_agent, inner))


def unwrapped(error: Exception) -> Exception:
    """Return what Strands wrapped in an `EventLoopException`, as it does after an agent's first model call.

    The wrapper says nothing more, and a failure's type must not depend on when the call failed.
    """
    while isinstance(error, strands_exceptions.EventLoopException):
        error = error.original_exception
    return error


def as_workflow_failure(error: Exception) -> ApplicationError:
    """Return the failure that ends a run on `error`: typed by its class name, not retryable.

    A group of one (a `TaskGroup` in which one agent failed) is what it holds; a larger one names all it
    holds.
    """
    error = unwrapped(error)
    inner = _leaves(error)
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


def misplaced_error(error: BaseException) -> AgentTypeError | None:
    """Return the failure for an error of Strands' code that a workflow cannot run, or None for another."""
    text = misplaced(error)
    return None if text is None else AgentTypeError(text)


def cause_of(error: Exception) -> Exception | None:
    """Return `error` if Temporal can take it as a cause, else None: the failure's text says the same."""
    return error if text_of(error) == (str(error) or type(error).__name__) and is_sendable(error) else None


def in_place_of(error: Exception, failure: T) -> T:
    """Return `failure`, which says the same, with the stack trace and causes of `error`: one, not two."""
    if failure is not error:
        cause = origin_of(error)
        failure.__traceback__ = error.__traceback__
        failure.__cause__ = cause_of(cause) if isinstance(cause, Exception) else None
    return failure


def construction_error(error: Exception) -> Exception:
    """Return `error`, raised while an agent was built, as its kind that also ends the workflow."""
    if isinstance(error, TemporalError):
        return error
    text = text_of(error)
    if isinstance(error, TypeError):
        return AgentTypeError(text)
    if isinstance(error, ValueError):
        return AgentValueError(text)
    return as_workflow_failure(error)


def _leaves(error: BaseException) -> list[Exception]:
    inner = cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))
    if not inner:
        error = unwrapped(error) if isinstance(error, Exception) else error
        return [error] if isinstance(error, Exception) else [Exception(text_of(error))]
    return [leaf for item in inner for leaf in _leaves(item)]


def _interrupt_details(interrupt: Interrupt) -> dict[str, Any]:
    reason = encode(interrupt.reason) if is_json(interrupt.reason) else str(interrupt.reason)
    return {"id": interrupt.id, "name": interrupt.name, "reason": reason}


def _restore(failure: ApplicationError) -> Exception | None:
    cls = STRANDS_EXCEPTIONS.get(failure.type or "")
    if cls is None:
        return None
    if cls is InterruptException:
        details: dict[str, Any] = failure.details[0] if failure.details else {}
        return InterruptException(
            Interrupt(
                id=str(details.get("id", "")),
                name=str(details.get("name", "")),
                reason=decode(details.get("reason")),
            )
        )
    if cls is strands_exceptions.EventLoopException:
        return strands_exceptions.EventLoopException(Exception(failure.message))
    if cls is strands_exceptions.AggregateMemoryError:
        return strands_exceptions.AggregateMemoryError(failure.message, [])
    return cls(failure.message)


def _builtin_exception(failure: ApplicationError) -> Exception | None:
    cls = getattr(builtins, failure.type or "", None)
    if not (inspect.isclass(cls) and issubclass(cls, Exception)) or issubclass(
        cls, (StopIteration, StopAsyncIteration)
    ):
        return None
    try:
        restored = _key_error(failure.message) if cls is KeyError else cls(failure.message)
    except TypeError:  # UnicodeDecodeError and its like take more than a message
        return None
    restored.__cause__ = failure.__cause__
    return restored


def _key_error(text: str) -> KeyError:
    """Return a KeyError of that text, which is its key's repr."""
    if not text:
        return KeyError()
    try:
        key = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):  # the repr of something that is no literal
        return KeyError(_Verbatim(text))
    return KeyError(key if repr(key) == text else _Verbatim(text))


class _Verbatim(str):
    """A text that is its own repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
