"""The attempts of tool calls, from Temporal's history: what the stream does not tell."""

from datetime import timedelta, timezone
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client
from temporalio.converter import PayloadConverter
from temporalio.service import RPCError

from strands_temporal.extension import TOOL_HEADER

from .threads import unreachable

_EVENTS = 1_000
"""How many of the latest events of a run are read."""

_PAGE = 250
_TIMEOUT = timedelta(seconds=10)
_ENDS = tuple(
    f"activity_task_{how}_event_attributes" for how in ("completed", "failed", "timed_out", "canceled")
)


async def tool_attempts(client: Client, thread: str) -> dict[str, dict[str, Any]]:
    """Return what Temporal knows of a thread's latest tool calls that run on a worker, by their ids.

    Each has `activity` (the type), `attempts`, `scheduledAt`, `startedAt` (of the last attempt), `endedAt`
    and `lastFailure`, as far as they are known.

    Raises:
        WebError: If the server does not answer.
    """
    execution = WorkflowExecution(workflow_id=thread)
    try:
        described = await client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution),
            retry=True,
            timeout=_TIMEOUT,
        )
        execution.run_id = described.workflow_execution_info.execution.run_id
        events = await _latest_events(client, execution)
    except RPCError as error:
        raise unreachable(thread, error) from error
    found: dict[int, dict[str, Any]] = {}
    tools, by_activity = dict[int, str](), dict[str, dict[str, Any]]()
    for event in reversed(events):
        _read(event, found, tools, by_activity)
    for pending in described.pending_activities:
        told = by_activity.get(pending.activity_id)
        if told is not None:
            told["attempts"] = max(1, pending.attempt)
            told["startedAt"] = _time(pending.last_started_time)
            if pending.HasField("last_failure"):
                told["lastFailure"] = pending.last_failure.message
    return {tools[number]: told for number, told in found.items()}


async def _latest_events(client: Client, execution: WorkflowExecution) -> list[HistoryEvent]:
    """Return the latest events of a run, the last one first."""
    events: list[HistoryEvent] = []
    token = b""
    while True:
        page = await client.workflow_service.get_workflow_execution_history_reverse(
            GetWorkflowExecutionHistoryReverseRequest(
                namespace=client.namespace,
                execution=execution,
                maximum_page_size=_PAGE,
                next_page_token=token,
            ),
            retry=True,
            timeout=_TIMEOUT,
        )
        events += page.history.events
        token = page.next_page_token
        if not token or len(events) >= _EVENTS:
            return events


def _read(
    event: HistoryEvent,
    found: dict[int, dict[str, Any]],
    tools: dict[int, str],
    by_activity: dict[str, dict[str, Any]],
) -> None:
    if event.HasField("activity_task_scheduled_event_attributes"):
        scheduled = event.activity_task_scheduled_event_attributes
        id_ = _tool_use_id(scheduled.header.fields.get(TOOL_HEADER))
        if id_ is not None:
            tools[event.event_id] = id_
            found[event.event_id] = by_activity[scheduled.activity_id] = {
                "activity": scheduled.activity_type.name,
                "attempts": 0,
                "scheduledAt": _time(event.event_time),
                "startedAt": None,
                "endedAt": None,
                "lastFailure": None,
            }
    elif event.HasField("activity_task_started_event_attributes"):
        started = event.activity_task_started_event_attributes
        if started.scheduled_event_id in found:
            failure = started.last_failure.message if started.HasField("last_failure") else None
            found[started.scheduled_event_id].update(
                attempts=started.attempt, startedAt=_time(event.event_time), lastFailure=failure
            )
    elif event.WhichOneof("attributes") in _ENDS:
        number = getattr(event, str(event.WhichOneof("attributes"))).scheduled_event_id
        if number in found:
            found[number]["endedAt"] = _time(event.event_time)


def _tool_use_id(header: Payload | None) -> str | None:
    """Return the id of the tool call that an activity answers; None if it answers none."""
    if header is None:
        return None
    try:
        return str(PayloadConverter.default.from_payload(header)[1])
    except Exception:  # noqa: BLE001  # headers may be encrypted: then nobody knows
        return None


def _time(time: Timestamp) -> str | None:
    return time.ToDatetime(timezone.utc).isoformat() if time.seconds else None
