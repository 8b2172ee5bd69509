"""The format of a model's answer in history. A person can read it. It decodes to the answer's events.

    {"content": [{"text": "Hello."}], "usage": "10 in, 5 out, 1 ms"}
    {"content": [{"toolUse": {"name": "add", "toolUseId": "t1", "input": {"a": 1}}}], "usage": ...}

A missing stop reason is `tool_use` if the answer calls a tool and has such a usage, else `end_turn`. The
input of a tool call is JSON if `json.dumps` writes it as the model did; else it is the model's text. An
answer that does not fit this format is written as the list of its events. No event is lost:
`events_of(answer_of(events))` equals `events` for any list of events.

Older histories have `"usage": {"inputTokens": 10, "outputTokens": 5}` and `"latencyMs": 1`, tools' inputs as
text, and each stop reason except `end_turn`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from .events import events_by_number

_MOST_NESTED = 100

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
    content = [_block(block) for block in _blocks(rest)]
    stopped = {} if reason == _usual_stop(content, counted) else {"stopReason": reason}
    return {"content": content, **stopped, **counted}


def events_of(answer: Any) -> list[Any]:
    """Return the events that `answer_of` was given. Reads the answers of older histories too."""
    if not isinstance(answer, dict):
        return events_by_number(answer)
    known = cast("dict[str, Any]", answer)
    events: list[Any] = [{"messageStart": {"role": "assistant"}}]
    for block in known["content"]:
        events += _events_of_block(block)
    reason = known.get("stopReason", _usual_stop(known["content"], known))
    events.append({"messageStop": {"stopReason": reason}})
    told = known.get("usage")
    if isinstance(told, str):
        read, written, latency = (int(part.split(" ")[0]) for part in told.split(", "))
        events.append(_metadata({"inputTokens": read, "outputTokens": written}, latency))
    elif told is not None:
        events.append(_metadata(dict(told), known["latencyMs"]))
    elif "metadata" in known:
        events.append({"metadata": known["metadata"]})
    return events


def message_of(answer: Any) -> dict[str, Any] | None:
    """Return the message that Strands makes of an answer in this format; None if that is not plain to see."""
    content: list[Any] = []
    for block in answer["content"]:
        if block.get("text"):
            content.append({"text": block["text"]})
        elif type(block.get("toolUse", {}).get("input")) is dict:
            use = block["toolUse"]
            named = {"toolUseId": use.get("toolUseId"), "name": use.get("name"), "input": use["input"]}
            content.append({"toolUse": named})
        else:
            return None
    return {"role": "assistant", "content": content}


def _usual_stop(content: Sequence[Any], counted: Mapping[str, Any]) -> str:
    """Return the stop reason that is not written. Older histories have one, and no such usage."""
    calls = isinstance(counted.get("usage"), str) and any("toolUse" in block for block in content)
    return "tool_use" if calls else "end_turn"


def _json_or_text(text: str) -> Any:
    """Return the JSON that `json.dumps` writes as this text, if it is an object, else the text.

    What not every JSON library reads stays a text: half a surrogate pair, NaN, and what is nested deeply.
    """
    if "\\ud" in text or text.count("{") + text.count("[") > _MOST_NESTED:
        return text
    try:
        value = json.loads(text, parse_constant=_no_constant)
        same = type(value) is dict and json.dumps(value) == text
    except (ValueError, RecursionError):
        return text
    return value if same else text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _metadata(usage: dict[str, int], latency: int) -> dict[str, Any]:
    usage.setdefault("totalTokens", usage["inputTokens"] + usage["outputTokens"])
    return {"metadata": {"usage": usage, "metrics": {"latencyMs": latency}}}


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
            return {"toolUse": {**cast("dict[str, Any]", use), "input": _json_or_text(tool)}}
    return {"events": list(events)}


def _events_of_block(block: dict[str, Any]) -> list[Any]:
    if "text" in block:
        start, delta = {"contentBlockStart": {"start": {}}}, {"text": block["text"]}
    elif "toolUse" in block:
        use = dict(block["toolUse"])
        given = use.pop("input")
        delta = {"toolUse": {"input": given if isinstance(given, str) else json.dumps(given)}}
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
    read, written, total = counts.values()
    if total != read + written:
        return {"usage": counts, "latencyMs": latency}
    return {"usage": f"{read} in, {written} out, {latency} ms"}


def _only(value: Any, key: str) -> Any:
    """Return the value of `key` in a dict that has no other key, else None."""
    return value[key] if isinstance(value, dict) and len(cast("Any", value)) == 1 and key in value else None
