"""Makes the values of events JSON, and cuts them to a size that the server accepts.

An error here would harm the agent, so there is none: other objects become text.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from strands.types.tools import ToolResult as StrandsToolResult

from strands_temporal.extension import utf8_text

RESULT_CHARACTERS = 2000
"""Characters of a tool's result that subscribers get as text. Temporal's own reader gets the text as an
update's result, so each such reader adds it to history again."""

INPUT_CHARACTERS = 16_000
"""Characters of JSON that subscribers get of other values: a tool's input, a prompt, an interrupt's reason.

Without a limit the server ends the workflow: the answer to a poll may have at most 2 MiB.
"""

MESSAGE_CHARACTERS = 1000
"""Characters of an error's message, and of the reason of a decision."""


def as_json(value: Any, characters: int = INPUT_CHARACTERS) -> tuple[Any, bool]:
    """Return `value` in JSON values, or the beginning of its JSON text, and whether it was truncated."""
    text = dumped(value)
    if len(text) > characters:
        return text[:characters], True
    return json.loads(text, parse_constant=_no_number), False


def model_as_json(model: BaseModel | None) -> tuple[Any, bool]:
    """Return the values of a pydantic model as `as_json` does."""
    return (None, False) if model is None else as_json(model.model_dump(mode="json"))


def dumped(value: Any) -> str:
    """Return `value` as JSON, with text in place of other objects and null in place of bytes."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=_plain, skipkeys=True)
    except (TypeError, ValueError, RecursionError):  # it contains itself, or its `__str__` does not work
        text = json.dumps(f"<{type(value).__name__}>")
    return utf8_text(text, "replace")


def is_json(value: Any) -> bool:
    """Tell whether a value is JSON as it is."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def result_text(result: StrandsToolResult) -> str:
    """Return a tool's result as text."""
    return utf8_text("\n".join(_block_text(block) for block in result["content"]), "replace")


def error_text(error: BaseException) -> tuple[str, str]:
    """Return the class of an error, and the beginning of its message."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  # a user's class may raise anything
        message = ""
    return type(error).__name__, short(message)


def short(text: Any) -> str:
    """Return the beginning of a text."""
    return utf8_text(str(text), "replace")[:MESSAGE_CHARACTERS]


def counts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a mapping, for example of a usage."""
    return {
        str(name): value
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def _no_number(name: str) -> None:
    """Read NaN and the infinities as null. Python writes them, but JSON has none."""
    del name


def _plain(value: Any) -> str | None:
    return None if isinstance(value, (bytes, bytearray, memoryview)) else str(value)


def _block_text(block: Any) -> str:
    if "text" in block:
        return block["text"]
    if "json" in block:
        return dumped(block["json"])
    return "".join(f"[{kind}]" for kind in block)  # an image, a document
