"""Messages as text for a person."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from .summaries import brief_json, shortened

PAGE_CHARACTERS = 40_000
"""Characters of a page. JSON and UTF-8 make at most six bytes of one: the server warns above 512 KiB."""

_LONGEST_TEXT = 2_000  # characters of a message's text
_LONGEST_VALUE = 300  # characters of a tool's arguments, or of its result


def message_text(message: Mapping[str, Any], room: int) -> str:
    """Return a message as lines, at most `room` characters of them."""
    try:
        return shortened("\n".join(_lines(message)), room)
    except Exception as error:  # noqa: BLE001  # a user's hook may have written anything; the others are still to be read
        return f"(failed: {type(error).__name__})"


def _lines(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield a message's blocks as lines. The first begins with the role. Blocks other than text are in []."""
    lead = f"{message.get('role')}: "
    for block in message.get("content") or [{"text": "(nothing)"}]:
        yield lead + _block(block)
        lead = "  "


def _block(block: Mapping[str, Any]) -> str:
    kind = next(iter(block), "nothing")
    value: Any = block.get(kind)
    if kind == "text":
        return _cut(str(value), _LONGEST_TEXT)
    if kind == "toolUse":
        return f"[calls {value['name']} {brief_json(value.get('input'), _LONGEST_VALUE)}]"
    if kind == "toolResult":
        return f"[{_result(value)}]"
    return f"[{kind}]"  # an image, a document, reasoning, a cache point


def _result(result: Mapping[str, Any]) -> str:
    texts = [
        str(block["text"])
        if "text" in block
        else brief_json(block["json"], _LONGEST_VALUE)
        if "json" in block
        else f"({next(iter(block), 'nothing')})"
        for block in cast("list[Mapping[str, Any]]", result.get("content") or [])
    ]
    word = "result" if result.get("status") != "error" else "error"
    return f"{word}: {_cut(' '.join(texts), _LONGEST_VALUE)}"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text):,} characters)"
