"""How events travel in the stream.

The user's topic carries only Strands' own `StreamEvent`s. The metadata of an event's payload names its model
call; a reader of plain events does not see it. Everything else goes to a second topic,
`control_topic(topic)`, as the JSON objects of `_json.py`, without their offsets: the stream has those.
"""

from dataclasses import replace
from functools import cache
from typing import Any, cast, get_args

from ._json import from_json, to_json
from ._life_types import ControlEvent

_SUFFIX = ".control"

CALL_METADATA = "strands-call"
"""Payload metadata of each event of a model: `<call>/<attempt>`."""

STARTED_METADATA = "strands-attempt-started"
"""Payload metadata with the attempt's start time, as `started_at` of the events."""

TIME_METADATA = "strands-time"
"""Payload metadata with the worker's time of the batch, ISO 8601 in UTC."""


def control_topic(topic: str) -> str:
    """Return the second topic for `topic`, which carries all events besides the model's own stream."""
    return f"{topic}{_SUFFIX}"


def is_control_topic(topic: str) -> bool:
    """Tell whether a topic is the second topic of another one."""
    return topic.endswith(_SUFFIX)


_CONTROL = get_args(ControlEvent)


def to_control(event: ControlEvent) -> dict[str, Any]:
    """Return the JSON object for `event` on the control topic, without its default values."""
    values, usual = to_json(replace(event, offset=-1, seq=-1)), _usual(type(event))
    # The stream has the offset.
    return {name: value for name, value in values.items() if name == "type" or value != usual[name]}


@cache
def _usual(cls: type[ControlEvent]) -> dict[str, Any]:
    return to_json(cls())


def from_control(message: object, offset: int) -> ControlEvent | None:
    """Decode an event of the control topic. Return None if this release does not know its type."""
    event = from_json(message)
    if not isinstance(event, _CONTROL):
        return None
    return replace(cast("ControlEvent", event), offset=offset, seq=offset)
