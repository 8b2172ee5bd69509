"""JSON values as the pages show them: typed trees, with long parts folded, and what differs between two."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from .._visible import escaped, is_visible

_LONG_TEXT = 400  # characters and lines that are shown without folding
_LONG_LINES = 12
_LONG_LIST = 12
_DEEP = 4  # levels that are open
_DEEPEST = 24  # levels that are shown as a tree
_MOST_NODES = 3_000  # of a tree; the rest is JSON text
_BRIEF = 160
_LARGEST_DIFF = 20_000  # characters of a text whose lines are compared
_MOST_CHANGES = 300

Kind = str
"""`text`, `number`, `boolean`, `null`, `list`, `object`, or `json` for what is not shown as a tree."""


@dataclass
class Node:
    """A part of a value.

    Attributes:
        kind: Its type.
        text: A text, or how another simple value is written.
        parts: Names and parts of a list or an object.
        folded: Whether it is folded.
        size: Its length: characters, or parts.
    """

    kind: Kind
    text: str = ""
    parts: list[tuple[str, "Node"]] = field(default_factory=list["tuple[str, Node]"])
    folded: bool = False
    size: int = 0


@dataclass(frozen=True)
class Change:
    """A place where two values differ.

    Attributes:
        path: The place, for people.
        before: The part that was there; None if none was.
        after: The part that is there; None if none is.
        lines: For long texts: each line with " ", "-" or "+"; empty for other values.
    """

    path: str
    before: Node | None
    after: Node | None
    lines: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def tree(value: Any) -> Node:
    """Return a value as a tree."""
    left = [_MOST_NODES]
    return _node(value, 0, left)


def _node(value: Any, level: int, left: list[int]) -> Node:
    left[0] -= 1
    if isinstance(value, str):
        long = len(value) > _LONG_TEXT or value.count("\n") >= _LONG_LINES
        return Node("text", value, folded=long, size=len(value))
    if value is None or isinstance(value, (bool, int, float)):
        kind = "null" if value is None else "boolean" if isinstance(value, bool) else "number"
        return Node(kind, json.dumps(value))
    if level >= _DEEPEST or left[0] <= 0 or not isinstance(value, (dict, list)):
        text = readable_json(value)
        return Node("json", text, folded=len(text) > _LONG_TEXT, size=len(text))
    named = cast("dict[str, Any]", value).items() if isinstance(value, dict) else _numbered(value)
    parts = [(str(name), _node(one, level + 1, left)) for name, one in named]
    folded = bool(parts) and (level >= _DEEP or (level > 0 and len(parts) > _LONG_LIST))
    return Node("object" if isinstance(value, dict) else "list", "", parts, folded, len(parts))


def _numbered(value: Any) -> list[tuple[str, Any]]:
    return [(str(i), one) for i, one in enumerate(cast("list[Any]", value))]


def readable_json(value: Any, *, indent: int | None = 2) -> str:
    """Return JSON that a person can read and edit. It is still JSON: invisible characters are its escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return "".join(c if c == "\n" or is_visible(c) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def brief(value: Any) -> str:
    """Return a value in one short line."""
    if isinstance(value, dict):
        parts = [f"{name}: {_short(one)}" for name, one in cast("dict[str, Any]", value).items()]
        text = ", ".join(parts[:8])
    else:
        text = _short(value)
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}…"


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value[:_BRIEF].replace("\n", " ⏎ ")
    if isinstance(value, (dict, list)):
        size = len(cast("list[Any]", value))
        return f"{{{size}}}" if isinstance(value, dict) else f"[{size}]"
    return json.dumps(value, default=str)


def changes(before: Any, after: Any) -> list[Change]:
    """Return where two values differ, in the order of the first one."""
    found: list[Change] = []
    for change in _changes(before, after, ""):
        found.append(change)
        if len(found) > _MOST_CHANGES:  # too many to read one by one
            return [Change("", tree(before), tree(after))]
    return found


def _changes(before: Any, after: Any, path: str) -> Iterator[Change]:
    pairs = _pairs(before, after)
    if pairs is None:
        if readable_json(before) == readable_json(after):  # for Python, 1 and 1.0 and True are equal
            return
        yield Change(path, tree(before), tree(after), _lines(before, after))
        return
    for name, old, new in pairs:
        place = f"{path}.{name}" if path else name
        if old is _ABSENT:
            yield Change(place, None, tree(new))
        elif new is _ABSENT:
            yield Change(place, tree(old), None)
        else:
            yield from _changes(old, new, place)


_ABSENT: Any = object()


def _pairs(before: Any, after: Any) -> list[tuple[str, Any, Any]] | None:
    """Return the parts of two objects or two lists of the same length; None for others."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        old, new = cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after)
        names = [*old, *(name for name in new if name not in old)]
        return [(name, old.get(name, _ABSENT), new.get(name, _ABSENT)) for name in names]
    if isinstance(before, list) and isinstance(after, list):
        olds, news = cast("list[Any]", before), cast("list[Any]", after)
        if len(olds) == len(news):
            return [(str(i), old, new) for i, (old, new) in enumerate(zip(olds, news, strict=True))]
    return None


def _lines(before: Any, after: Any) -> list[tuple[str, str]]:
    if not isinstance(before, str) or not isinstance(after, str):
        return []
    if "\n" not in before + after or max(len(before), len(after)) > _LARGEST_DIFF:
        return []
    compared = difflib.ndiff(before.splitlines(), after.splitlines())
    return [(line[0], line[2:]) for line in compared if line[0] in " +-"]


def marked(text: str) -> list[tuple[bool, str]]:
    """Return a text in pieces: what is visible, and each character that is not, as its escape."""
    pieces: list[tuple[bool, str]] = []
    plain: list[str] = []
    for character in text:
        if character == "\n" or is_visible(character):
            plain.append(character)
            continue
        if plain:
            pieces.append((False, "".join(plain)))
            plain = []
        pieces.append((True, escaped(character)))
    if plain:
        pieces.append((False, "".join(plain)))
    return pieces
