"""Events as JSON objects `{"type": <class name>, <its fields>}`, as all transports carry them.

Fields are only added, with defaults. Readers skip types and fields that they do not know.
"""

import logging
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any, cast, get_args

from temporalio.exceptions import ApplicationError

from strands_temporal.extension import read_as

from ._decision_types import QuestionAsked
from ._life_types import AgentEvent
from ._snapshot_types import RunningAgent, RunningCall
from ._types import PendingInterrupt, ToolCall

logger = logging.getLogger(__name__)

EVENT_TYPES: Mapping[str, type[AgentEvent]] = MappingProxyType(
    {cls.__name__: cls for cls in get_args(AgentEvent)}
)
"""The classes of all events, by name."""

_ITEMS: dict[str, type[Any]] = {
    "interrupts": PendingInterrupt,
    "agents": RunningAgent,
    "questions": QuestionAsked,
    "tool_calls": ToolCall,
    "calls": RunningCall,
}
"""Fields that are tuples of dataclasses."""

_TUPLES = frozenset({"path", "removed", "messages"})


def to_json(event: AgentEvent) -> dict[str, Any]:
    """Return the JSON object for an event. `from_json` decodes it."""
    return {"type": type(event).__name__, **_fields(event)}


def _fields(value: Any) -> dict[str, Any]:
    """Return a dataclass's fields. What is not a dataclass in them is JSON already, so nothing is copied."""
    return {field.name: _json_value(getattr(value, field.name)) for field in fields(value)}


def _json_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_json_value(one) for one in cast("tuple[Any, ...]", value)]
    return _fields(value) if is_dataclass(value) else value


def from_json(message: object) -> AgentEvent | None:
    """Return the event of a JSON object; None if it is none, or of a type that this release does not know.

    An object with a field that no event of its type has, such as a number in place of a text, is no event:
    anybody may publish to a workflow's stream.
    """
    if not isinstance(message, Mapping):
        return None
    values = cast("Mapping[str, Any]", message)
    kind = values.get("type")
    cls = EVENT_TYPES.get(kind) if isinstance(kind, str) else None
    if cls is None:
        return None
    try:
        return _decoded(cls, values)
    except (ApplicationError, TypeError, AttributeError) as error:
        logger.debug("type=<%s>, error=<%s> | the item is no event", cls.__name__, error)
        return None


def _decoded(cls: type[Any], values: Mapping[str, Any]) -> Any:
    return read_as(cls, {name: _value(name, value) for name, value in values.items()})


def _value(name: str, value: Any) -> Any:
    if (cls := _ITEMS.get(name)) is not None:
        return tuple(_decoded(cls, one) for one in value or ())
    return tuple(value or ()) if name in _TUPLES else value
