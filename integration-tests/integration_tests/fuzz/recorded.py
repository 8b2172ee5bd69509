"""Values that released versions wrote: the payloads of the histories in the packages' tests."""

import base64
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

_ROOT = Path(__file__).parents[3]


@cache
def recorded() -> Mapping[str, list[Any]]:
    """Return the JSON values in the recorded histories, by where they stand.

    "scheduled:invoke_model" are arguments of activities, "completed:invoke_model" their results, "started"
    and "continued" inputs of workflows, "update" and "updated" arguments and answers of updates.
    Each value is there once.
    """
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for file in sorted(_ROOT.glob("packages/*/tests/histories/*.json")):
        for name, value in _values(json.loads(file.read_text())["events"]):
            found[name].setdefault(json.dumps(value, sort_keys=True), value)
    return {name: list(values.values()) for name, values in found.items()}


def _values(events: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    types: dict[str, str] = {}
    for event in events:
        kind = event["eventType"].removeprefix("EVENT_TYPE_")
        for field, about in event.items():
            if not field.endswith("EventAttributes"):
                continue
            if "activityType" in about:
                types[event["eventId"]] = about["activityType"]["name"]
            name = {
                "ACTIVITY_TASK_SCHEDULED": f"scheduled:{types.get(event['eventId'])}",
                "ACTIVITY_TASK_COMPLETED": f"completed:{types.get(about.get('scheduledEventId'))}",
                "WORKFLOW_EXECUTION_STARTED": "started",
                "WORKFLOW_EXECUTION_CONTINUED_AS_NEW": "continued",
                "WORKFLOW_EXECUTION_SIGNALED": f"signal:{about.get('signalName')}",
                "WORKFLOW_EXECUTION_UPDATE_ACCEPTED": "update",
                "WORKFLOW_EXECUTION_UPDATE_COMPLETED": "updated",
                "WORKFLOW_EXECUTION_COMPLETED": "result",
            }.get(kind)
            if name is not None:
                payloads = json_payloads(about, leave_out=("header", "searchAttributes"))
                yield from ((name, value_of(payload)) for payload in payloads)


def value_of(payload: Mapping[str, Any]) -> Any:
    """Return the value in a payload that holds JSON."""
    return json.loads(base64.b64decode(payload["data"]))


def json_payloads(value: Any, leave_out: Collection[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield the payloads in a part of a history that hold JSON, without those below the fields left out."""
    if isinstance(value, dict):
        given = cast("dict[str, Any]", value)
        if "metadata" in given and "data" in given:
            if base64.b64decode(given["metadata"].get("encoding", "")).startswith(b"json/"):
                yield given
            return
        for name, each in given.items():
            if name not in leave_out:
                yield from json_payloads(each, leave_out)
    elif isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from json_payloads(each, leave_out)
