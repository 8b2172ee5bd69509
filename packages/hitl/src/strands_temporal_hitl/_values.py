"""JSON values that cross between processes: what can be carried, and the checks of what a person gives."""

import json
from collections.abc import Iterable
from typing import Any, cast

from strands_temporal.extension import utf8_text


def as_json(value: Any) -> Any:
    """Return a copy of `value` that every converter can carry. If `value` is not JSON, the copy is text."""
    if wire_fault(value):
        return utf8_text(str(value))
    return json.loads(json.dumps(value))


def wire_fault(value: Any) -> bool:
    """Tell whether a value is no JSON that every converter can carry."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):  # UnicodeEncodeError is a ValueError
        return True
    return False


_DEEPEST = 100
"""Levels of a value that a person gives. Copies of a deeper one could fail the workflow task."""

KEPT = f"it must be JSON, with text in UTF-8, nested at most {_DEEPEST} levels deep"


def is_too_deep(value: Any) -> bool:
    """Tell whether a value is nested so deeply that copies of it could fail."""
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [each for one in level for each in _parts(one)]
        if not level:
            return False
    return True


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


def brief(value: Any) -> str:
    """Return a value for a message."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # very deep, or a number with very many digits
        return f"a {type(value).__name__}"
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}..."


_BRIEF = 200  # characters


def check_seconds(name: str, value: Any) -> None:
    """Raise ValueError if a duration is no positive number that a time can be moved by."""
    if value is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 < value <= _LONGEST_SECONDS:
        raise ValueError(
            f"{name}={brief(value)} is not a number of seconds above 0, of at most {_LONGEST_SECONDS:,}"
        )


_LONGEST_SECONDS = 10 * 365 * 24 * 3600


def check_text(name: str, value: Any, *, is_required: bool) -> None:
    """Raise ValueError if a value is no text that every converter can carry, or is required and empty."""
    if value is None and not is_required:
        return
    if not isinstance(value, str) or wire_fault(value):
        raise ValueError(f"{name}={brief(value)} is not valid text")
    if is_required and not value.strip():
        raise ValueError(f"{name} is empty")
