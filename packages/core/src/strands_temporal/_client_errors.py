"""The errors of a conversation, in the failures that its client gets."""

import asyncio
from typing import NoReturn

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from ._errors import (
    AgentTypeError,
    AgentValueError,
    CarryTooLargeError,
    ConversationBusyError,
    ConversationClosedError,
    ConversationFullError,
    TokenBudgetExceededError,
    TurnHandedOverError,
    TurnLimitReachedError,
    UnknownAgentError,
)

CONVERSATION_ERRORS = {
    error.failure_type: error
    for error in (
        AgentTypeError,
        AgentValueError,
        CarryTooLargeError,
        ConversationBusyError,
        ConversationClosedError,
        ConversationFullError,
        TokenBudgetExceededError,
        TurnHandedOverError,
        TurnLimitReachedError,
        UnknownAgentError,
    )
}

ENDED_BEFORE_ANSWER = "AcceptedUpdateCompletedWorkflow"
"""Type of the failure of an update whose run ended before the update did (a server's name)."""

UNPROCESSED = "UnprocessedUpdate"
"""Type of the failure of an update that a worker did not look at, because it ended meanwhile (a server's
name). Nothing has happened, and the same update may be sent again."""


def own_error(cause: BaseException | None) -> Exception | None:
    """Return an error of a conversation as its own class; None for any other."""
    if isinstance(cause, ApplicationError) and cause.type in CONVERSATION_ERRORS:
        return CONVERSATION_ERRORS[cause.type](cause.message)
    return None


def type_of(error: WorkflowUpdateFailedError) -> str | None:
    """Return the type of the failure with which an update failed."""
    return error.cause.type if isinstance(error.cause, ApplicationError) else None


def is_handed_over(error: WorkflowUpdateFailedError) -> bool:
    """Tell whether the next run of the workflow will answer the update."""
    return type_of(error) == TurnHandedOverError.failure_type


def raise_if_cancelled(error: BaseException) -> None:
    """Raise the cancellation of the caller's task, if that is why an update has no answer.

    temporalio (1.35) raises the same `WorkflowUpdateRPCTimeoutOrCancelledError`, an ordinary exception, for a
    time-out and for a cancelled task. `asyncio.timeout` and a cancelled `TaskGroup` need the cancellation.

    Raises:
        CancelledError: The task was cancelled.
    """
    if isinstance(error.__cause__, asyncio.CancelledError):
        raise error.__cause__ from None


def raise_from(error: Exception, caught: Exception) -> NoReturn:
    """Raise `error` because of `caught`. If it is the same, it keeps its own cause."""
    if error is caught:
        raise caught
    raise error from caught
