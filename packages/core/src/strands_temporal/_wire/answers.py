"""The format of a model's answer in history. A person can read it. It decodes to the answer's events.

    {"content": [{"text": "Hello."}], "usage": {"inputTokens": 10, "outputTokens": 5}, "latencyMs": 1}

An answer that does not fit this format is written as the list of its events. No event is lost:
`events_of(answer_of(events))` equals `events` for any list of events.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from .events import events_by_number

_USUAL_STOP = "end_turn"
"""Stop reason of an answer that is written without a stop reason."""

_START = {"messageStart": {"role": "assistant"}}
_BLOCK_START = {"contentBlockStart": {"start": {}}}
_BLOCK_STOP = {"contentBlockStop": {}}
_COUNTS = ("inputTokens", "outputTokens", "totalTokens")


def answer_of(events: Sequence[Any]) -> Any:
    """Return encoded events as history has them: a dict if they fit the format, else the list of events."""
    if not events or events[0] != _START:
        return list(events)
    rest = list(events[1:])
    counted: dict[str, Any] | None = {}
    if rest and "metadata" in rest[-1]:
        counted = _counted(rest.pop())
    reason = _only(_only(rest.pop(), "messageStop"), "stopReason") if rest else None
    if counted is None or not isinstance(reason, str):
        return list(events)
    stopped = {} if reason == _USUAL_STOP else {"stopReason": reason}
    return {"content": [_block(block) for block in _blocks(rest)], **stopped, **counted}


def events_of(answer: Any) -> list[Any]:
    """Return the events that `answer_of` was given. Reads the answers of older histories too."""
    if not isinstance(answer, dict):
        return events_by_number(answer)
    known = cast("dict[str, Any]", answer)
    events: list[Any] = [{"messageStart": {"role": "assistant"}}]
    for block in known["content"]:
        events += _events_of_block(block)
    events.append({"messageStop": {"stopReason": known.get("stopReason", _USUAL_STOP)}})
    if "usage" in known:
        usage = dict(known["usage"])
        usage.setdefault("totalTokens", usage["inputTokens"] + usage["outputTokens"])
        events.append({"metadata": {"usage": usage, "metrics": {"latencyMs": known["latencyMs"]}}})
    elif "metadata" in known:
        events.append({"metadata": known["metadata"]})
    return events


def _blocks(events: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the events of each content block. The last block may lack its stop event."""
    block: list[Any] = []
    for event in events:
        block.append(event)
        if event == _BLOCK_STOP:
            yield block
            block = []
    if block:
        yield block


def _block(events: Sequence[Any]) -> dict[str, Any]:
    """Return text or a tool call in short form, or the events of any other content block."""
    if len(events) == 3 and events[2] == _BLOCK_STOP:  # start, delta, stop
        start, delta, _ = events
        part = _only(_only(delta, "contentBlockDelta"), "delta")
        text, tool = _only(part, "text"), _only(_only(part, "toolUse"), "input")
        if start == _BLOCK_START and isinstance(text, str):
            return {"text": text}
        use = _only(_only(_only(start, "contentBlockStart"), "start"), "toolUse")
        if isinstance(use, dict) and isinstance(tool, str) and "input" not in use:
            return {"toolUse": {**cast("dict[str, Any]", use), "input": tool}}
    return {"events": list(events)}


def _events_of_block(block: dict[str, Any]) -> list[Any]:
    if "text" in block:
        start, delta = {"contentBlockStart": {"start": {}}}, {"text": block["text"]}
    elif "toolUse" in block:
        use = dict(block["toolUse"])
        delta = {"toolUse": {"input": use.pop("input")}}
        start = {"contentBlockStart": {"start": {"toolUse": use}}}
    else:
        return block["events"]
    return [start, {"contentBlockDelta": {"delta": delta}}, {"contentBlockStop": {}}]


def _counted(event: Any) -> dict[str, Any] | None:
    """Return usage and latency of a metadata event, or all its metadata if there is more; else None."""
    metadata = _only(event, "metadata")
    if not isinstance(metadata, dict):
        return None
    known = cast("dict[str, Any]", metadata)
    usage, latency = known.get("usage"), _only(known.get("metrics"), "latencyMs")
    if tuple(known) != ("usage", "metrics") or not isinstance(usage, dict) or type(latency) is not int:
        return {"metadata": known}
    counts = dict(cast("dict[str, Any]", usage))
    if tuple(counts) != _COUNTS or any(type(count) is not int for count in counts.values()):
        return {"metadata": known}
    if counts["totalTokens"] == counts["inputTokens"] + counts["outputTokens"]:
        del counts["totalTokens"]
    return {"usage": counts, "latencyMs": latency}


def _only(value: Any, key: str) -> Any:
    """Return the value of `key` in a dict that has no other key, else None."""
    return value[key] if isinstance(value, dict) and len(cast("Any", value)) == 1 and key in value else None
