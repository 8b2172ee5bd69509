"""Replays histories against the user's code, and finds the place where one breaks."""

import contextlib
import logging
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Plugin, Replayer
from temporalio.workflow import NondeterminismError

from .._upstream.private_api import workflow_definition
from ..testing._environment import DEADLOCK
from ._run_events import when

_TRIES = 3  # a busy machine may give a replay no core for two seconds, which counts as a deadlock

_TASK_DONE = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
_TASK_BEGINS = EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED

_NAMES: Mapping[str, str] = {
    "activity_task_scheduled": "activity",
    "start_child_workflow_execution_initiated": "child workflow",
    "timer_started": "timer",
    "marker_recorded": "marker",
    "workflow_execution_completed": "the workflow completes",
    "workflow_execution_failed": "the workflow fails",
    "workflow_execution_continued_as_new": "the workflow continues as new",
}
_SUFFIX = "_event_attributes"


@dataclass(frozen=True)
class Break:
    """Why a history does not replay, and where.

    Attributes:
        error: What the replay raised.
        nondeterministic: Whether the code does not do what the history has recorded.
        event: Number of the first event that does not fit; None if no part of the history fails alone.
        at: When that event happened, in UTC.
        recorded: What the history has from there on: "activity invoke_model".
    """

    error: str
    nondeterministic: bool
    event: int | None = None
    at: str | None = None
    recorded: Sequence[str] = ()


class HistoryCheck:
    """Replays histories. Nothing runs: no model and no tool is called.

    Args:
        workflows: The user's workflow classes.
        plugins: The user's plugins.
        converter: Reads the payloads.
        namespace: Namespace of the histories.

    Raises:
        ValueError: If there is no workflow class.
    """

    def __init__(
        self, workflows: Sequence[type], plugins: Sequence[Plugin], converter: DataConverter, namespace: str
    ) -> None:
        with quiet():
            self._replayer = Replayer(
                workflows=workflows,
                plugins=plugins,
                data_converter=converter,
                namespace=namespace,
                # The SDK's core would write its warnings to the standard output.
                runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
            )
        names = map(workflow_name, self._replayer.config(active_config=True).get("workflows") or ())
        self.types = sorted(name for name in names if name)

    async def find_break(self, history: WorkflowHistory) -> Break | None:
        """Replay a history. Return why it breaks and where; None if it replays."""
        error = await self._error(history.workflow_id, history.events)
        if error is None:
            return None
        tasks = [i for i, event in enumerate(history.events) if event.event_type == _TASK_DONE]
        fits, breaks = 0, len(tasks)  # so many workflow tasks replay, or do not
        while breaks - fits > 1:
            middle = (fits + breaks) // 2
            part = history.events[: _end_of_task(history.events, tasks[middle - 1])]
            failed = await self._error(history.workflow_id, part)
            fits, breaks = (fits, middle) if failed else (middle, breaks)
            error = failed or error
        nondeterministic = isinstance(error, NondeterminismError)
        text = _message(error)
        if not tasks:
            return Break(text, nondeterministic)
        start = tasks[breaks - 1]
        made = history.events[start + 1 : _end_of_task(history.events, start)]
        first = made[0] if made else history.events[start]
        return Break(
            text,
            nondeterministic,
            first.event_id,
            when(first.event_time).isoformat(),
            [name for name in map(_command, made) if name],
        )

    async def _error(self, workflow_id: str, events: Sequence[HistoryEvent]) -> Exception | None:
        history = WorkflowHistory(workflow_id, events)
        error: Exception | None = None
        with quiet():
            for _ in range(_TRIES):
                try:
                    result = await self._replayer.replay_workflow(history, raise_on_replay_failure=False)
                    error = result.replay_failure
                except RuntimeError as raised:  # for example a history that the SDK's core refuses
                    error = raised
                if error is None or DEADLOCK not in str(error):
                    return error
        return error


_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')


def _message(error: Exception) -> str:
    """Return what went wrong. The SDK's core gives a dump of its failure, whose first message says it."""
    found = _MESSAGE.search(str(error))
    return found[1].replace('\\"', '"').replace("\\n", " ") if found else str(error).partition("\n")[0]


def workflow_name(cls: type) -> str | None:
    """Return the type under which a workflow class is registered; None for a dynamic one."""
    definition = workflow_definition(cls)
    return definition[0] if definition else None


def workflow_type_of(history: WorkflowHistory) -> str:
    """Return the type of the workflow of a history."""
    return history.events[0].workflow_execution_started_event_attributes.workflow_type.name


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Keep Temporal's log lines out of the terminal: the command says what is to be said."""
    loggers = [logging.getLogger(name) for name in ("temporalio", "strands_temporal")]
    before = [logger.disabled for logger in loggers]
    children = [
        child
        for name, child in logging.root.manager.loggerDict.items()
        if isinstance(child, logging.Logger) and name.startswith(("temporalio.", "strands_temporal."))
    ]
    before += [logger.disabled for logger in children]
    for logger in loggers + children:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was in zip(loggers + children, before, strict=True):
            logger.disabled = was


def _end_of_task(events: Sequence[HistoryEvent], completed: int) -> int:
    """Return the index after the commands of the workflow task that ends with the event at `completed`."""
    number = events[completed].event_id
    end = completed + 1
    while end < len(events) and _task_of(events[end]) == number:
        end += 1
    return end


def _task_of(event: HistoryEvent) -> int | None:
    """Return the number of the workflow task that made an event; None for an event of the server."""
    which = event.WhichOneof("attributes")
    attributes = getattr(event, which) if which else None
    return getattr(attributes, "workflow_task_completed_event_id", None)


def _command(event: HistoryEvent) -> str | None:
    which = (event.WhichOneof("attributes") or "").removesuffix(_SUFFIX)
    attributes: Any = getattr(event, which + _SUFFIX, None)
    name = _NAMES.get(which, which.replace("_", " "))
    if which == "activity_task_scheduled":
        return f"{name} {attributes.activity_type.name}"
    if which == "start_child_workflow_execution_initiated":
        return f"{name} {attributes.workflow_type.name}"
    return name
