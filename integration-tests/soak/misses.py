"""Misses: what went wrong, why, and what happened around it."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from . import journal
from .plan import run_name


@dataclass
class Miss:
    """Something that must not happen.

    Attributes:
        seed: The seed.
        run: Name of the run; "" if it belongs to none.
        kind: What kind of miss.
        text: What was found.
        time_line: Faults and what the workers noted while the run was in progress.
    """

    seed: int
    run: str
    kind: str
    text: str
    time_line: list[str] = field(default_factory=list[str])


@dataclass
class ModelCalls:
    """Model calls of one seed.

    Attributes:
        completed: How many answers providers gave in full.
        excused: How many of them were given again because the worker that had the first one died before the
            server had it.
        unheard: How many were given again because the server had not heard of the worker for the heartbeat
            timeout: it stood still, or had no connection or no CPU.
        windows_ms: For each of the excused the time between the provider's end and the worker's death.
        recorded_after_ms: For each answer that was recorded the time between the provider's end and that.
        misses: The other ones that were given again, with their run.
    """

    completed: int = 0
    excused: int = 0
    unheard: int = 0
    windows_ms: list[float] = field(default_factory=list[float])
    recorded_after_ms: list[float] = field(default_factory=list[float])
    misses: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def model_calls_made_again(
    folder: Path,
    recorded: Mapping[str, Sequence[float]],
    given_up: Mapping[str, Sequence[float]] | None = None,
) -> ModelCalls:
    """Find the model calls that were made again although an answer was complete.

    Args:
        folder: Folder of the seed.
        recorded: For each run, when the server recorded an answer of a model, in monotonic time.
        given_up: For each run, when a model call began again after a heartbeat timeout, in monotonic time.
    """
    deaths = {
        line["pid"]: line["at"] for line in journal.lines(folder / "workers") if line["what"] == "killed"
    }
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in journal.lines(folder / "model-calls"):
        by_key[line["key"]].append(line)
    found = ModelCalls()
    ends_of: dict[str, list[float]] = defaultdict(list)
    keys_of: dict[str, set[str]] = defaultdict(set)
    for key, lines in by_key.items():
        run = run_name(key)
        ends = [line for line in lines if line["what"] == "end"]
        found.completed += len(ends)
        ends_of[run] += [end["at"] for end in ends]
        keys_of[run].update([key] if ends else [])
        for end in ends[:-1]:
            died = deaths.get(end["pid"])
            if died is not None and died >= end["at"] and not _made_before(lines, end, died):
                found.excused += 1
                found.windows_ms.append(round((died - end["at"]) * 1000, 1))
            elif any(end["at"] < at <= lines[-1]["at"] + 1 for at in (given_up or {}).get(run, ())):
                found.unheard += 1
            else:
                where = ", ".join(f"{each['what']} {each['at']:.3f} by {each['pid']}" for each in lines)
                found.misses.append((run, f"{key}: {where}; that worker died at {died}"))
    for run, times in recorded.items():
        if len(times) > len(keys_of[run]):
            found.misses.append((run, f"history has {len(times)} answers to {len(keys_of[run])} calls"))
        for at in times:
            before = [end for end in ends_of[run] if end <= at + 0.001]
            found.recorded_after_ms += [round((at - max(before)) * 1000, 1)] if before else []
    return found


def _made_before(lines: list[dict[str, Any]], end: dict[str, Any], died: float) -> bool:
    """Tell whether the call began again before the worker with the answer died."""
    return any(line["what"] == "begin" and end["at"] < line["at"] < died for line in lines)


async def why_wedged(client: Client, run: str) -> str:
    """Say from history what a run waits for."""
    handle = client.get_workflow_handle(run)
    try:
        description = await handle.describe()
        pending = [
            f"{each.activity_type.name} attempt {each.attempt}: {each.last_failure.message or 'no failure'}"
            for each in description.raw_description.pending_activities
        ]
        history = await handle.fetch_history()
    except Exception as error:  # noqa: BLE001 - the miss is told all the same
        return f"the server does not tell: {error}"
    last = [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events[-8:]]
    failed = [
        event.workflow_task_failed_event_attributes.failure.message
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]
    return f"activities {pending}; failed workflow tasks {failed[-2:]}; last events {last}"


def time_line(folder: Path, run: str) -> list[str]:
    """Return what happened while a run was in progress: the faults, its model calls, its clients' errors."""
    calls = [line for line in journal.lines(folder / "model-calls") if f"{run}-" in line["key"]]
    errors = [line for line in journal.lines(folder / "client-errors") if line["run"] == run]
    if not calls:
        return []
    first, last = calls[0]["at"] - 5, calls[-1]["at"] + 30
    around = [
        line
        for name in ("faults", "workers")
        for line in journal.lines(folder / name)
        if first <= line["at"] <= last
    ]
    found = sorted([*calls, *errors, *around], key=lambda line: line["at"])
    return [f"{line['at'] - first:8.3f} s  {_told(line)}" for line in found]


def _told(line: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in line.items() if name != "at"})
