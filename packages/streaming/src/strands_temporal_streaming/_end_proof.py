"""Proves what a worker told of a run's end, by the run's history."""

from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client
from temporalio.service import RPCError

from ._log import Run
from ._run_ends import CLOSED_BY_TASK, AskRunEnd, RunEnd

_TIMEOUT = timedelta(seconds=2)

_MOST_EVENTS = 100
"""Most events of the history to read: from the start of the last workflow task on."""


async def proven_end(client: Client, workflow_id: str, run: Run, ask: AskRunEnd) -> RunEnd | None:
    """Return what a worker told of a run that has ended; None if that is nothing, or not proven.

    It is proven if the task that it was told from closed the run.
    """
    if run.status not in CLOSED_BY_TASK or (end := await ask(run.id)) is None or end.run_id != run.id:
        return None
    count = run.events - end.task + 1
    if not 0 < count <= _MOST_EVENTS:
        return None
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=WorkflowExecution(workflow_id=workflow_id, run_id=run.id),
        maximum_page_size=count,
    )
    try:
        service = client.workflow_service
        answer = await service.get_workflow_execution_history_reverse(request, timeout=_TIMEOUT)
    except RPCError:  # a query may be answered
        return None
    events = {event.event_id: event for event in answer.history.events}
    started = events.get(_started_by(events.get(_closed_by(events.get(run.events)))))
    if started is None or started.event_time.ToNanoseconds() != end.task_at:
        return None
    return end if started.event_id == end.task else None


def _started_by(event: HistoryEvent | None) -> int:
    """Return the id of the event with which the task started that `event` completed; 0 if it is none."""
    if event is None or not event.HasField("workflow_task_completed_event_attributes"):
        return 0
    return event.workflow_task_completed_event_attributes.started_event_id


def _closed_by(event: HistoryEvent | None) -> int:
    """Return the id of the event with which the task was completed that closed a run; 0 if no task did."""
    if event is None:
        return 0
    for name in (
        "workflow_execution_completed_event_attributes",
        "workflow_execution_failed_event_attributes",
        "workflow_execution_canceled_event_attributes",
    ):
        if event.HasField(name):
            return int(getattr(event, name).workflow_task_completed_event_id)
    return 0
