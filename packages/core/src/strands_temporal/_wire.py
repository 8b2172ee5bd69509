"""Values on the wire: bytes kept as bytes, and a model's chunks merged.

JSON has no bytes. `encode` writes them as `{"$b64": "..."}`, and text that UTF-8 cannot hold (half a
surrogate pair, as in a file name that is not UTF-8) as `{"$s64": "..."}`. A dict that only looks like that is
marked, so that `decode(encode(value)) == value` for every JSON value with bytes in it, with any converter.
"""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from strands.types.streaming import StreamEvent

_BYTES_KEY = "$b64"
_TEXT_KEY = "$s64"
_LOOKS_TAGGED = re.compile(r"\$+[bs]64")


def encode(value: Any) -> Any:
    """Return `value` as plain JSON values, bytes tagged and mappings and sequences copied.

    Raises:
        TypeError: If something in `value` is neither JSON nor bytes, or a key is not a string.
    """
    if isinstance(value, str):
        return value if _is_utf8(value) else {_TEXT_KEY: _base64(value.encode("utf-8", "surrogatepass"))}
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {_BYTES_KEY: _base64(bytes(cast("bytes", value)))}
    if isinstance(value, Mapping):
        mapping = cast("Mapping[Any, Any]", value)
        encoded = {_checked_key(key): encode(item) for key, item in mapping.items()}
        return _escaped(encoded) if _looks_tagged(encoded) else encoded
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in cast("list[Any]", value)]
    raise TypeError(f"A {type(value).__name__} cannot cross to an activity: only JSON values and bytes can")


def decode(value: Any) -> Any:
    """Return what `encode` was given: the reverse of `encode`."""
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        if _looks_tagged(mapping):
            ((key, inner),) = mapping.items()
            if key == _BYTES_KEY:
                return base64.b64decode(inner)
            if key == _TEXT_KEY:
                return base64.b64decode(inner).decode("utf-8", "surrogatepass")
            return {key[1:]: decode(inner)}
        return {key: decode(item) for key, item in mapping.items()}
    if isinstance(value, list):
        return [decode(item) for item in cast("list[Any]", value)]
    return value


def is_json(value: Any) -> bool:
    """Tell whether `value` can cross to an activity: JSON values and bytes; a tuple arrives as a list."""
    try:
        json.dumps(encode(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def merge_deltas(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    """Merge adjacent deltas of one content block, so that an answer costs its text and not its chunks.

    What Strands builds from the events (text, tool input, reasoning and its signature, redacted reasoning) is
    concatenation, so it is unchanged. Citations are a list and stay apart. Takes time linear in the events.
    """
    merged: list[StreamEvent] = []
    run: list[StreamEvent] = []
    place: Any = None
    for event in events:
        where = _place(event)
        if where is None or where != place:
            merged += _joined(run, place)
            run, place = [], where
        run.append(event)
    return merged + _joined(run, place)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _checked_key(key: Any) -> str:
    if not isinstance(key, str) or not _is_utf8(key):
        raise TypeError(f"The key {key!r} cannot cross to an activity: JSON objects have UTF-8 string keys")
    return key


def _looks_tagged(mapping: Mapping[str, Any]) -> bool:
    return len(mapping) == 1 and _LOOKS_TAGGED.fullmatch(next(iter(mapping))) is not None


def _escaped(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {f"${key}": item for key, item in mapping.items()}


def _place(event: StreamEvent) -> Any:
    """Return what is equal for two deltas that may become one, None for what must stay alone.

    The path to the part of the delta that grows, the part's type, and all else in the event.
    """
    block = cast("dict[str, Any] | None", event.get("contentBlockDelta"))
    delta = cast("dict[str, Any]", block.get("delta") or {}) if block is not None else {}
    if block is None or len(event) != 1 or len(delta) != 1:
        return None
    ((kind, value),) = delta.items()
    path = [kind]
    if kind == "toolUse" and value.keys() == {"input"}:
        path, value = [kind, "input"], value["input"]
    elif kind == "reasoningContent" and len(value) == 1:
        ((part, value),) = value.items()
        path = [kind, part]
    elif kind != "text":
        return None
    rest = {key: item for key, item in block.items() if key != "delta"}
    return (path, type(value), rest) if isinstance(value, (str, bytes)) else None


def _joined(run: list[StreamEvent], place: Any) -> list[StreamEvent]:
    """Return one delta event for a run of deltas with the same place; another run as it is."""
    if len(run) < 2:  # nothing to join
        return run
    path, kind, rest = place
    parts: list[Any] = []
    for event in run:
        part = cast("dict[str, Any]", event["contentBlockDelta"])["delta"]  # pyright: ignore[reportTypedDictNotRequiredAccess]  # else it has no place
        for key in path:
            part = part[key]
        parts.append(part)
    delta: Any = kind().join(parts)
    for key in reversed(path):
        delta = {key: delta}
    return [cast("StreamEvent", {"contentBlockDelta": {**rest, "delta": delta}})]
