"""The summaries of agents' activities: the short texts that the Web UI shows beside them.

A summary costs about 35 bytes of history besides its text, so it is short. The SDK encodes it with the data
converter and the codec. A replay does not compare it.

Temporal's limit for a summary is 400 bytes, encoded (`limit.userMetadataSummarySize`). The dev server applies
it to no activity. The SDK's JSON writes 6 or 12 bytes for a character that is not ASCII.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from strands.hooks import BaseHookEvent

from .._wire.values import utf8_text

_SEPARATOR = " · "
_LONGEST_NAME = 64  # characters; as long as a tool's name may be
_LONGEST_ARGUMENTS = 160  # characters
_LONGEST_SUMMARY = 200  # bytes of JSON: a codec that encrypts and writes base64 stays below 400


def summary_of(*parts: object) -> str:
    """Join the parts that are not empty. Shorten each part, then the whole summary."""
    return _bounded(_SEPARATOR.join(shortened(str(part), _LONGEST_NAME) for part in parts if part))


def tool_summary(name: str, arguments: object = None, *, group: str | None = None) -> str:
    """Return the summary of a tool call's activity.

    Args:
        name: The tool.
        arguments: Its arguments, if they are to be shown.
        group: What the tool belongs to, for example an MCP server.
    """
    summary = summary_of(group, name)
    if arguments is None:
        return summary
    return _bounded(f"{summary} {brief_json(arguments, _LONGEST_ARGUMENTS)}")


def hook_summary(event: BaseHookEvent) -> str:
    """Return the summary of a hook's activity: the event, and the tool that it is about, if any."""
    use: Any = getattr(event, "tool_use", None)
    tool: Any = cast("Mapping[str, Any]", use).get("name") if isinstance(use, Mapping) else None
    return summary_of(type(event).__name__, tool)


def brief_json(value: object, longest: int) -> str:
    """Return a value as JSON on one line, at most `longest` characters of it."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # keys that JSON cannot represent, or a value that contains itself
        text = repr(value)
    return shortened(text, longest)


def shortened(text: str, longest: int) -> str:
    """Return `text`, or its beginning with an ellipsis: at most `longest` characters, encodable as UTF-8."""
    return utf8_text(text if len(text) <= longest else f"{text[: longest - 1]}…", "replace")


def _bounded(summary: str) -> str:
    """Return a summary, or its beginning with an ellipsis, at most `_LONGEST_SUMMARY` bytes of it."""
    if _json_bytes(summary) <= _LONGEST_SUMMARY:
        return summary
    while _json_bytes(summary) > _LONGEST_SUMMARY - _json_bytes("…"):
        summary = summary[:-1]
    return f"{summary}…"


def _json_bytes(text: str) -> int:
    return len(json.dumps(text)) - 2  # without its quotes
