"""Merges adjacent deltas of a content block, so that an answer in history costs only its text."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from strands.types.streaming import StreamEvent

_USAGE = ("inputTokens", "outputTokens", "totalTokens")

_BY_NUMBER: tuple[Any, ...] = (
    {"messageStart": {"role": "assistant"}},
    {"contentBlockStart": {"start": {}}},
    {"contentBlockStop": {}},
)
"""Events that older histories write as a number: the event's index in this tuple."""


def events_by_number(written: Sequence[Any]) -> list[Any]:
    """Return the events of an answer in a history that is older than the format of `answers.py`.

    In such a history a number stands for an event in `_BY_NUMBER`, and a string for a text delta. A list
    stands for a stop reason, or for token counts and latency.
    """
    return [_full(event) for event in written]


def merge_deltas(events: Iterable[StreamEvent]) -> list[StreamEvent]:
    """Merge adjacent deltas of one content block, so that an answer costs its text, not its chunks.

    Strands concatenates the deltas (text, tool input, reasoning and its signature, redacted reasoning), so
    the message stays the same. Citations are a list and are not merged. Takes time linear in the events.
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


def _full(written: Any) -> Any:
    if isinstance(written, int):
        return _copy(_BY_NUMBER[written])
    if isinstance(written, str):
        return {"contentBlockDelta": {"delta": {"text": written}}}
    if not isinstance(written, list):
        return written
    values = cast("list[Any]", written)
    if len(values) == 1:
        return {"messageStop": {"stopReason": values[0]}}
    *usage, latency = values
    return {"metadata": {"usage": dict(zip(_USAGE, usage, strict=True)), "metrics": {"latencyMs": latency}}}


def _copy(event: Any) -> Any:
    return {key: _copy(value) for key, value in event.items()} if isinstance(event, dict) else event


def _place(event: StreamEvent) -> Any:
    """Return a key that is equal for deltas that may be merged; None for an event that must stay alone.

    The key is the path to the part of the delta that grows, the part's type, and the rest of the event.
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
    """Return one delta event for several deltas with the same place. A single event stays as it is."""
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
