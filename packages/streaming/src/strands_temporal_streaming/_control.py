"""How events travel in the stream.

The user's topic carries only Strands' own `StreamEvent`s. The metadata of an event's payload names its model
call; a reader of plain events does not see it. Everything else goes to a second topic,
`control_topic(topic)`, as JSON objects `{"type": <class name>, <its fields>}` of the events in `_types.py`.
Fields are only added, with defaults. Readers skip types and fields that they do not know.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, cast

from ._types import (
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    ControlEvent,
    OutputLost,
    PendingInterrupt,
    SandboxOutput,
    ToolCall,
    ToolResult,
    TurnEnd,
)

CALL_METADATA = "strands-call"
"""Payload metadata of each event of a model: `<call>/<attempt>`."""

STARTED_METADATA = "strands-attempt-started"
"""Payload metadata with the attempt's start time, as `started_at` of the events."""


def control_topic(topic: str) -> str:
    """Return the second topic for `topic`, which carries all events besides the model's own stream."""
    return f"{topic}.control"


_CONTROL: dict[str, type[ControlEvent]] = {
    cls.__name__: cls
    for cls in (
        CallStarted,
        AttemptFailed,
        AttemptRestarted,
        OutputLost,
        ToolCall,
        ToolResult,
        SandboxOutput,
        TurnEnd,
    )
}


def to_control(event: ControlEvent) -> dict[str, Any]:
    """Return the JSON object for `event` on the control topic."""
    values = asdict(event)
    del values["offset"]  # the stream has it
    return {"type": type(event).__name__, **values}


def from_control(message: object, offset: int) -> ControlEvent | None:
    """Decode an event of the control topic. Return None if this release does not know its type."""
    if not isinstance(message, Mapping):
        return None
    values = dict(cast("Mapping[str, Any]", message))
    cls = _CONTROL.get(str(values.get("type")))
    if cls is None:
        return None
    if cls is TurnEnd:
        values["interrupts"] = tuple(_known(PendingInterrupt, one) for one in values.get("interrupts") or ())
    return cast("ControlEvent", _known(cls, {**values, "offset": offset}))


def _known(cls: type[Any], values: Mapping[str, Any]) -> Any:
    names = {field.name for field in fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in names})
