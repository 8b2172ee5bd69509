"""Reads a model's streamed events, dicts as Strands' types describe them, from any release or provider."""

from typing import Any, cast

from ._life_types import AgentEvent
from ._types import MessageEnd, ReasoningDelta, TextDelta, TextRedacted


def from_model(event: Any, call: str, offset: int) -> AgentEvent | None:
    """Return the reader's event for a model's event, None if there is none."""
    if text := text_at(event, "contentBlockDelta", "delta", "text"):
        return TextDelta(text, call, offset)
    if text := text_at(event, "contentBlockDelta", "delta", "reasoningContent", "text"):
        return ReasoningDelta(text, call, offset)
    if reason := text_at(event, "messageStop", "stopReason"):
        return MessageEnd(reason, call, offset)
    if text := text_at(event, "redactContent", "redactAssistantContentMessage"):
        return TextRedacted(text, call, offset)
    return None


def mapping_at(value: Any, *path: str) -> dict[str, Any]:
    """Return the dict at `path` in nested dicts, or an empty one if there is none."""
    for key in path:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def text_at(value: Any, *path: str) -> str:
    """Return the text at `path` in nested dicts, or "" if there is none."""
    for key in path:
        value = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
