"""Checks that what a worker sent has the form on which Strands' loop relies.

Strands reads events and tool results outside of any code of ours. What it cannot read would be a KeyError or
a TypeError in its loop, which fails the workflow task of a plain agent for ever.
"""

from collections.abc import Mapping
from typing import Any

from .reading import reading, unreadable


def checked_event(event: Any) -> Any:
    """Return a model's event, decoded. What Strands does not read may have any form.

    Raises:
        AgentValueError: If Strands could not read it.
    """
    try:
        _check_event(event)
    except (TypeError, LookupError) as error:
        raise unreadable("A model's answer", error) from None
    return event


def checked_tool_result(what: str, result: Any) -> Any:
    """Return a tool's result: a dict with a status and content blocks.

    Args:
        what: Name of the result, for the message.
        result: The result, decoded.

    Raises:
        AgentValueError: If it has another form.
    """
    with reading(what):
        _of(dict, result, "the result")
        _of(str, result["status"], "status")
        for block in _of(list, result["content"], "content"):
            _of(dict, block, "a content block")
    return result


def checked_tool_spec(what: str, spec: Any) -> Any:
    """Return a tool's spec: a dict with a name, and what else it has of the right type.

    Args:
        what: Name of the spec, for the message.
        spec: The spec, decoded.

    Raises:
        AgentValueError: If it has another form.
    """
    with reading(what):
        _of(dict, spec, "the spec")
        _of(str, spec["name"], "name")
        for name, kind in (("description", str), ("inputSchema", dict)):
            if name in spec:
                _of(kind, spec[name], name)
    return spec


def _check_event(event: Any) -> None:
    """Check what Strands reads of an event, in its order (1.62: streaming.py:486-513)."""
    if "messageStart" in _of(Mapping, event, "an event"):
        _of(str, _of(Mapping, event["messageStart"], "messageStart")["role"], "role")
    elif "contentBlockStart" in event:
        use = _of(Mapping, _of(Mapping, event["contentBlockStart"], "a start")["start"], "start").get(
            "toolUse"
        )
        if use:
            _ = _of(Mapping, use, "toolUse")["toolUseId"], _of(str, use["name"], "name")
    elif "contentBlockDelta" in event:
        _check_delta(_of(Mapping, _of(Mapping, event["contentBlockDelta"], "a delta")["delta"], "delta"))
    elif "messageStop" in event:
        _of(str, _of(Mapping, event["messageStop"], "messageStop")["stopReason"], "stopReason")
    elif "metadata" in event:
        for name in ("usage", "metrics"):
            for count in _of(
                Mapping, _of(Mapping, event["metadata"], "metadata").get(name, {}), name
            ).values():
                _of((int, float), count, f"a number in {name}")
    elif "redactContent" in event:
        _of(Mapping, event["redactContent"], "redactContent")


def _check_delta(delta: Mapping[str, Any]) -> None:
    if "toolUse" in delta:
        _of(str, _of(Mapping, delta["toolUse"], "toolUse").get("input", ""), "input")
    elif "text" in delta:
        _of(str, delta["text"], "text")
    elif "reasoningContent" in delta and "citation" not in delta:
        reasoning = _of(Mapping, delta["reasoningContent"], "reasoningContent")
        for name, kind in (("text", str), ("signature", str), ("redactedContent", (bytes, type(None)))):
            if name in reasoning:
                _of(kind, reasoning[name], name)
                break


def _of(kind: Any, value: Any, what: str) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{what} is a {type(value).__name__}")
    return value
