"""Fetches the histories of a workflow: all runs of its continue-as-new chain."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode


@dataclass(frozen=True)
class Run:
    """One run of a workflow.

    Attributes:
        run_id: Its id.
        events: Its history.
    """

    run_id: str
    events: Sequence[HistoryEvent]

    @property
    def size(self) -> int:
        """Bytes of the events."""
        return sum(event.ByteSize() for event in self.events)


@dataclass(frozen=True)
class Chain:
    """The runs of a workflow, oldest first.

    Attributes:
        description: What the server tells of the last run.
        runs: The runs that the server still has.
        gone: Id of the newest run that it does not have any more; None if no run is missing.
    """

    description: WorkflowExecutionDescription
    runs: Sequence[Run] = field(default_factory=list[Run])
    gone: str | None = None


async def fetch_chain(client: Client, workflow_id: str, run_id: str | None = None) -> Chain:
    """Fetch the runs of a workflow.

    Args:
        client: The client.
        workflow_id: The workflow.
        run_id: Fetch only this run; None is the whole chain that ends with the latest run.

    Raises:
        RPCError: If the server does not know the workflow, or does not answer.
    """
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    description = await handle.describe()
    runs: list[Run] = []
    wanted: str | None = run_id or description.run_id
    while wanted:
        run = client.get_workflow_handle(workflow_id, run_id=wanted)
        try:
            events = [event async for event in run.fetch_history_events()]
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND or not runs:
                raise
            return Chain(description, runs[::-1], wanted)
        runs.append(Run(wanted, events))
        wanted = None if run_id else _previous_run(events)
    return Chain(description, runs[::-1])


def _previous_run(events: Sequence[HistoryEvent]) -> str | None:
    return events[0].workflow_execution_started_event_attributes.continued_execution_run_id or None


def status_name(status: WorkflowExecutionStatus | None) -> str:
    """Return a status as a person reads it: "running", "continued as new"."""
    return "unknown" if status is None else status.name.lower().replace("_", " ")


def pending_activities(description: WorkflowExecutionDescription) -> dict[str, Any]:
    """Return the activities that have not ended, by their ids: only the server knows their attempts."""
    return {each.activity_id: each for each in description.raw_description.pending_activities}
