"""Reads what happened from a workflow's history. The demo claims only what the history shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

MODEL_ACTIVITIES = frozenset({"invoke_model", "invoke_model_streaming"})
"""Activity types of a model call, as the Web UI shows them."""

_TURN = "turn"  # the name of the chat's update; readers of its stream send other updates


@dataclass(frozen=True)
class ModelCallRecord:
    """A completed model call, from the history.

    Attributes:
        event_id: Number of the event that scheduled it.
        question: The question of the turn it belongs to.
        worker: Identity of the worker that completed it.
        attempt: Number of the completed attempt; 1 if nothing went wrong.
        seconds: Duration of that attempt.
        failure: Why the previous attempt failed, or an empty text.
    """

    event_id: int
    question: str
    worker: str
    attempt: int
    seconds: float
    failure: str


async def model_calls(events: Sequence[HistoryEvent], converter: DataConverter) -> list[ModelCallRecord]:
    """Return the completed model calls, oldest first.

    Args:
        events: The history.
        converter: The client's data converter, to read the questions.
    """
    question, questions, started, calls = (
        "",
        dict[int, str](),
        dict[int, HistoryEvent](),
        list[ModelCallRecord](),
    )
    for event in events:
        if event.HasField("workflow_execution_update_accepted_event_attributes"):
            update = event.workflow_execution_update_accepted_event_attributes.accepted_request.input
            if update.name == _TURN:
                [question] = await converter.decode(update.args.payloads, [str])
        elif event.HasField("activity_task_scheduled_event_attributes"):
            if event.activity_task_scheduled_event_attributes.activity_type.name in MODEL_ACTIVITIES:
                questions[event.event_id] = question
        elif event.HasField("activity_task_started_event_attributes"):
            started[event.activity_task_started_event_attributes.scheduled_event_id] = event
        elif event.HasField("activity_task_completed_event_attributes"):
            scheduled_id = event.activity_task_completed_event_attributes.scheduled_event_id
            if scheduled_id in questions:
                calls.append(_record(questions[scheduled_id], scheduled_id, started[scheduled_id], event))
    return calls


def completed_activities(events: Sequence[HistoryEvent]) -> Counter[str]:
    """Return how many activities of each type were completed."""
    types = {
        event.event_id: event.activity_task_scheduled_event_attributes.activity_type.name
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    return Counter(
        types[event.activity_task_completed_event_attributes.scheduled_event_id]
        for event in events
        if event.HasField("activity_task_completed_event_attributes")
    )


def event_counts(events: Sequence[HistoryEvent]) -> Counter[str]:
    """Return how many events of each type there are, under the names that the Web UI shows."""
    return Counter(_event_name(event) for event in events)


def _event_name(event: HistoryEvent) -> str:
    words = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").split("_")
    return "".join(word.capitalize() for word in words)


def _record(question: str, event_id: int, started: HistoryEvent, completed: HistoryEvent) -> ModelCallRecord:
    start = started.activity_task_started_event_attributes
    return ModelCallRecord(
        event_id=event_id,
        question=question,
        worker=completed.activity_task_completed_event_attributes.identity,
        attempt=start.attempt,
        seconds=(completed.event_time.ToNanoseconds() - started.event_time.ToNanoseconds()) / 1e9,
        failure=start.last_failure.message,
    )
