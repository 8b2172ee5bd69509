"""Lists and describes workflows, including paused ones.

temporalio 1.35's own list and describe raise ValueError for a workflow that an operator has paused (server
1.32 and later, `temporal workflow pause`), because temporalio's enumeration lacks that status.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client

from strands_temporal.extension import OPEN_STATUSES, workflow_status_name

OPEN = "CloseTime IS NULL"
"""Visibility query for open workflows. `ExecutionStatus = 'Running'` would leave out paused ones."""


@dataclass(frozen=True)
class ListedWorkflow:
    """A workflow in a list. Its status may be a moment old."""

    id: str
    run_id: str
    type: str
    started_at: datetime
    status: int = 0  # Temporal's WorkflowExecutionStatus


@dataclass(frozen=True)
class WorkflowState:
    """The state of a workflow, as the server describes it.

    Attributes:
        status: Temporal's name: "RUNNING", "PAUSED", "COMPLETED".
        paused_by: Who paused it.
        pause_reason: Why.
    """

    status: str
    paused_by: str = ""
    pause_reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the workflow is still open."""
        return self.status in OPEN_STATUSES

    @property
    def is_paused(self) -> bool:
        """Whether it is paused: then the server refuses queries and updates."""
        return self.status == "PAUSED"


def open_workflows(client: Client, query: str) -> AsyncIterator[ListedWorkflow]:
    """Yield the open workflows that match a visibility query. Raises as `listed_workflows`."""
    return listed_workflows(client, f"{OPEN} AND ({query})")


async def listed_workflows(client: Client, query: str) -> AsyncIterator[ListedWorkflow]:
    """Yield the runs of workflows that match a visibility query, open and closed.

    Raises:
        RPCError: If the server does not answer.
    """
    request = ListWorkflowExecutionsRequest(namespace=client.namespace, query=query)
    while True:
        page = await client.workflow_service.list_workflow_executions(request, retry=True)
        for info in page.executions:
            yield _listed(info)
        if not page.next_page_token:
            return
        request.next_page_token = page.next_page_token


def quoted(text: str) -> str:
    """Quote a string for a visibility query. The escapes of `json.dumps` would hide non-ASCII text."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _listed(info: WorkflowExecutionInfo) -> ListedWorkflow:
    started_at = info.start_time.ToDatetime(timezone.utc)
    return ListedWorkflow(
        info.execution.workflow_id, info.execution.run_id, info.type.name, started_at, info.status
    )


async def workflow_state(
    client: Client, workflow_id: str, run_id: str | None, timeout: timedelta
) -> WorkflowState:
    """Return the state of a workflow's run, by default the latest.

    Raises:
        RPCError: If the server does not know it, or does not answer.
    """
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id or ""),
    )
    answer = await client.workflow_service.describe_workflow_execution(request, retry=True, timeout=timeout)
    status = workflow_status_name(answer.workflow_execution_info.status)
    pause = answer.workflow_extended_info.pause_info
    return WorkflowState(status, pause.identity, pause.reason)
