"""The errors of a conversation, in the failures that its client gets."""

from typing import NoReturn

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from ._errors import (
    AgentTypeError,
    AgentValueError,
    CarryTooLargeError,
    ConversationBusyError,
    ConversationClosedError,
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
        TokenBudgetExceededError,
        TurnHandedOverError,
        TurnLimitReachedError,
        UnknownAgentError,
    )
}

ENDED_BEFORE_ANSWER = "AcceptedUpdateCompletedWorkflow"
"""Type of the failure of an update whose run ended before the update did (a server's name)."""


def type_of(error: WorkflowUpdateFailedError) -> str | None:
    return error.cause.type if isinstance(error.cause, ApplicationError) else None


def is_handed_over(error: WorkflowUpdateFailedError) -> bool:
    return type_of(error) == TurnHandedOverError.failure_type


def raise_from(error: Exception, caught: Exception) -> NoReturn:
    """Raise `error` because of `caught`. If it is the same, it keeps its own cause."""
    if error is caught:
        raise caught
    raise error from caught
