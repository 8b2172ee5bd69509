"""A model's events as Strands' types describe them, so that every reader can decode them."""

from collections.abc import Mapping
from typing import Any, cast, get_args

from strands.types.event_loop import StopReason
from strands.types.streaming import StreamEvent

_STOP_REASONS = frozenset(get_args(StopReason))


def plain_event(event: StreamEvent) -> dict[str, Any]:
    """Return `event` in JSON values that `subscribe(result_type=StreamEvent)` accepts with any converter.

    Two things would end a subscriber's loop with a conversion error. Bytes, which JSON has not: in a stream
    they are reasoning that the provider encrypted, of no use to a reader, and become None, which the type
    allows. And a stop reason that Strands' type does not list (a provider's newest): it becomes `end_turn`,
    which it is for Strands' loop. The agent itself gets both as they are.
    """
    values = _plain(event)
    stop = values.get("messageStop")
    if isinstance(stop, dict) and cast("dict[str, Any]", stop).get("stopReason") not in _STOP_REASONS:
        stop["stopReason"] = "end_turn"
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # half a surrogate pair is no JSON
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in cast("list[Any]", value)]
    raise TypeError(f"a {type(value).__name__} is no JSON value")
