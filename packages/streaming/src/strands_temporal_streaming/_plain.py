"""Converts a model's events to the form of Strands' types, so that every reader can decode them."""

from collections.abc import Mapping
from typing import Any, cast, get_args

from strands.types.event_loop import StopReason
from strands.types.streaming import StreamEvent

from strands_temporal.extension import utf8_text

_STOP_REASONS = frozenset(get_args(StopReason))


def plain_event(event: StreamEvent) -> dict[str, Any]:
    """Return `event` in JSON values that `subscribe(result_type=StreamEvent)` accepts with any converter.

    Two kinds of values would end a subscriber's loop with a conversion error, so they are replaced. Bytes,
    which JSON does not have, become None. They are reasoning that the provider encrypted, and no reader can
    use them. A new stop reason that Strands' type does not list becomes `end_turn`, because Strands' loop
    treats it as one. The agent itself gets both unchanged.
    """
    values = _plain(event)
    stop = values.get("messageStop")
    if isinstance(stop, dict) and cast("dict[str, Any]", stop).get("stopReason") not in _STOP_REASONS:
        stop["stopReason"] = "end_turn"
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return utf8_text(value, "replace")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    raise TypeError(f"a {type(value).__name__} is not a JSON value")
