"""The steps of a run that are no calls of agents: updates, signals, timers, child workflows, the end.

A step is a dict of JSON values. `kind` says what it is; a field that is not known is left out.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

from temporalio.api.enums.v1 import WorkflowTaskFailedCause

from ._run_events import ReadEvent, RunEvents, error_text
from ._texts import one_line

Step = dict[str, Any]

_DECIDES = ("decide_approval", "decide_approval_by_signal")
"""Update and signal by which people decide (`strands_temporal_hitl`)."""

_TASK_FAILED = "WORKFLOW_TASK_FAILED_CAUSE_"
_USUAL_FAILURES = (f"{_TASK_FAILED}UNHANDLED_COMMAND", f"{_TASK_FAILED}FORCE_CLOSE_COMMAND")
"""Workflow tasks that end so are tried again, and nothing is wrong."""

_PATCH = "core_patch"
"""Name of the marker that `workflow.patched` leaves."""


@contextmanager
def reading_into(step: Step) -> Generator[None]:
    """Note in a step what of it cannot be read. A history is shown also where a value in it was damaged."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  # a damaged value may raise anything
        step["unreadable"] = unreadable(error)


def unreadable(error: Exception) -> str:
    """Return what is shown in place of a value that raised `error`."""
    return f"(cannot be read: {one_line(str(error) or type(error).__name__)})"


class OtherSteps:
    """The steps of one run. A method for each kind of event is found by the event's name.

    Args:
        events: The run's events, read.
    """

    def __init__(self, events: RunEvents) -> None:
        self._events = events
        self._steps: list[Step] = []
        self._open: dict[int, Step] = {}  # by the event that began it
        self._updates: dict[str, Step] = {}  # by update id

    def steps(self) -> list[Step]:
        """Return the steps in the order in which they began."""
        for event in self._events:
            handler = getattr(self, f"_{event.name}", None)
            if handler is not None:
                handler(event)
        return self._steps

    def _workflow_execution_started(self, event: ReadEvent) -> None:
        self._add(event, "start", input_bytes=event.sizes.get("input", 0), attempt=event.attributes.attempt)

    def _workflow_execution_signaled(self, event: ReadEvent) -> None:
        name = event.attributes.signal_name
        self._add(
            event, "decision" if name in _DECIDES else "signal", name=name, arguments=self._arguments(event)
        )

    def _workflow_execution_update_accepted(self, event: ReadEvent) -> None:
        request = event.attributes.accepted_request
        name = request.input.name
        self._updates[request.meta.update_id] = self._add(
            event,
            "decision" if name in _DECIDES else "update",
            name=name,
            update_id=request.meta.update_id,
            arguments=self._arguments(event),
            status="running",
        )

    def _workflow_execution_update_completed(self, event: ReadEvent) -> None:
        step = self._updates.pop(event.attributes.meta.update_id, None)
        if step is None:
            return
        step["seconds"] = (event.at - datetime.fromisoformat(step["at"])).total_seconds()
        step["status"] = "failed" if event.failure else "completed"
        if event.failure:
            step["error"] = error_text(event.failure)
        else:
            step["result"] = json_value(self._events.value(event, "result"))

    def _marker_recorded(self, event: ReadEvent) -> None:
        if event.attributes.marker_name != _PATCH:
            return
        value = self._events.value(event, "details")
        patch = cast("dict[str, Any]", value).get("id") if isinstance(value, dict) else value
        self._add(event, "patch", id=str(patch))

    def _timer_started(self, event: ReadEvent) -> None:
        seconds = event.attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
        summary = as_text(self._events.value(event, "summary"))
        step = self._add(event, "timer", summary=summary, timer_seconds=seconds, status="running")
        self._open[event.id] = step

    def _timer_fired(self, event: ReadEvent) -> None:
        self._close_timer(event, "fired")

    def _timer_canceled(self, event: ReadEvent) -> None:
        self._close_timer(event, "cancelled")

    def _close_timer(self, event: ReadEvent, status: str) -> None:
        if step := self._open.pop(event.attributes.started_event_id, None):
            step["status"] = status

    def _start_child_workflow_execution_initiated(self, event: ReadEvent) -> None:
        self._open[event.id] = self._add(
            event,
            "child",
            workflow_type=event.attributes.workflow_type.name,
            workflow_id=event.attributes.workflow_id,
            status="scheduled",
        )

    def _child_workflow_execution_started(self, event: ReadEvent) -> None:
        if step := self._open.get(event.attributes.initiated_event_id):
            step["status"] = "running"

    def _child(self, event: ReadEvent, status: str) -> None:
        if step := self._open.pop(event.attributes.initiated_event_id, None):
            step["status"] = status
            step["seconds"] = (event.at - datetime.fromisoformat(step["at"])).total_seconds()
            if event.failure:
                step["error"] = error_text(event.failure)

    def _child_workflow_execution_completed(self, event: ReadEvent) -> None:
        self._child(event, "completed")

    def _child_workflow_execution_failed(self, event: ReadEvent) -> None:
        self._child(event, "failed")

    def _child_workflow_execution_canceled(self, event: ReadEvent) -> None:
        self._child(event, "cancelled")

    def _child_workflow_execution_timed_out(self, event: ReadEvent) -> None:
        self._child(event, "timed out")

    def _child_workflow_execution_terminated(self, event: ReadEvent) -> None:
        self._child(event, "terminated")

    def _start_child_workflow_execution_failed(self, event: ReadEvent) -> None:
        self._child(event, "not started")

    def _workflow_execution_cancel_requested(self, event: ReadEvent) -> None:
        self._add(event, "cancel requested", by=event.attributes.identity)

    def _workflow_task_failed(self, event: ReadEvent) -> None:
        cause = WorkflowTaskFailedCause.Name(event.attributes.cause)
        if cause not in _USUAL_FAILURES:
            short = cause.removeprefix(_TASK_FAILED).lower().replace("_", " ")
            self._add(event, "workflow task failed", cause=short, error=error_text(event.failure))

    def _workflow_task_timed_out(self, event: ReadEvent) -> None:
        self._add(event, "workflow task timed out")

    # --- The end --------------------------------------------------------------------------------------------

    def _workflow_execution_completed(self, event: ReadEvent) -> None:
        value = self._events.value(event, "result")
        self._add(
            event,
            "end",
            status="completed",
            result=json_value(value),
            result_bytes=event.sizes.get("result", 0),
        )

    def _workflow_execution_failed(self, event: ReadEvent) -> None:
        self._add(event, "end", status="failed", error=error_text(event.failure))

    def _workflow_execution_timed_out(self, event: ReadEvent) -> None:
        self._add(event, "end", status="timed out")

    def _workflow_execution_canceled(self, event: ReadEvent) -> None:
        self._add(event, "end", status="cancelled")

    def _workflow_execution_terminated(self, event: ReadEvent) -> None:
        self._add(event, "end", status="terminated", reason=event.attributes.reason or None)

    def _workflow_execution_continued_as_new(self, event: ReadEvent) -> None:
        self._add(event, "end", status="continued as new", input_bytes=event.sizes.get("input", 0))

    def _arguments(self, event: ReadEvent) -> list[Any]:
        return [json_value(value) for value in self._events.values(event, "input")]

    def _add(self, event: ReadEvent, kind: str, **fields: Any) -> Step:
        known = {name: value for name, value in fields.items() if value is not None}
        step: Step = {"kind": kind, "at": event.at.isoformat(), "event": event.id, **known}
        self._steps.append(step)
        return step


def json_value(value: Any) -> Any:
    """Return a value with bytes and what the converter made of other values as text.

    A value that is nested deeper than Python counts is not shown.
    """
    try:
        return _json_value(value)
    except RecursionError:
        return "(nested too deep to be shown)"


def _json_value(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return f"({len(value):,} bytes)"
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in cast("list[Any]", value)]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def as_text(value: object) -> str | None:
    """Return a value as text; None stays None."""
    return None if value is None else str(value)
