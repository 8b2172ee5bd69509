"""Workflows that an operator has paused (server 1.32 and later, `temporal workflow pause`).

The server refuses queries to them. temporalio 1.35 does not know their status: its enumeration raises a
ValueError.
"""

from temporalio.api.enums.v1 import WorkflowExecutionStatus as RawStatus
from temporalio.client import WorkflowExecutionStatus, WorkflowQueryRejectedError

OPEN_STATUSES = frozenset({"RUNNING", "PAUSED"})
"""Names of the statuses of workflows that have not ended."""


def workflow_status_name(status: RawStatus.ValueType) -> str:
    """Return Temporal's name for a status that the server returned: "RUNNING", "PAUSED", "COMPLETED"."""
    return RawStatus.Name(status).removeprefix("WORKFLOW_EXECUTION_STATUS_")


def tells_of_a_pause(error: Exception) -> bool:
    """Tell whether a query failed because the workflow is paused.

    temporalio 1.35 raises a ValueError. A later release may raise `WorkflowQueryRejectedError`.
    """
    if isinstance(error, WorkflowQueryRejectedError):
        return "PAUSED" in repr(error.status)
    return isinstance(error, ValueError) and WorkflowExecutionStatus.__name__ in str(error)
