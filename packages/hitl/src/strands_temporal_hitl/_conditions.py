"""Conditions of a policy on the arguments of a call: what they are, and whether they hold.

Pure: the same condition and arguments give the same finding, in a workflow, in a replay, in a command.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, cast

KINDS = ("string", "number", "integer", "boolean", "array", "object", "null")
"""The types of JSON values, with JSON Schema's names."""

_NOTHING = object()


@dataclass(frozen=True)
class Finding:
    """Whether a condition, or all of them, hold.

    Attributes:
        holds: True or False; None if the argument is missing or of another type than the condition compares.
        why: What the argument is, if it does not hold.
    """

    holds: bool | None
    why: str = ""


@dataclass(frozen=True)
class Condition:
    """One condition on one argument.

    Attributes:
        path: The names and positions that lead to the value: `("items", "0", "price")`.
        op: The operator, one of `OPERATORS`.
        value: The value to compare with.
    """

    path: tuple[str | int, ...]
    op: str
    value: Any

    @property
    def text(self) -> str:
        """The condition as people read it."""
        return f"{self.name} {self.op} {_brief(self.value)}"

    @property
    def name(self) -> str:
        """The argument's path as text."""
        return ".".join(map(str, self.path))

    def finding(self, arguments: Any) -> Finding:
        """Return whether it holds for a call's arguments."""
        found = _at(arguments, self.path)
        if self.op == "exists":
            is_there = found is not _NOTHING
            return Finding(is_there is self.value, f"{self.name} is {'there' if is_there else 'missing'}")
        if found is _NOTHING:
            return Finding(None, f"{self.name} is missing")
        holds = OPERATORS[self.op].holds(found, self.value)
        if holds is None:
            what = f"{kind_of(found)}, which {self.op} {_brief(self.value)} does not compare"
            return Finding(None, f"{self.name} is of the type {what}")
        return Finding(holds, "" if holds else f"{self.name} is {_brief(found)}, and must be {self.text}")


def all_hold(conditions: tuple[Condition, ...], arguments: Any) -> Finding:
    """Return whether all conditions hold. One that does not settles it, even if others cannot be compared."""
    findings = [each.finding(arguments) for each in conditions]
    for wanted in (False, None):
        for each in findings:
            if each.holds is wanted:
                return each
    return Finding(True)


def kind_of(value: Any) -> str:
    """Return the type of a JSON value, with JSON Schema's name."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


@dataclass(frozen=True)
class Operator:
    """An operator of conditions.

    Attributes:
        holds: Compares an argument with the condition's value. None is for a type that it cannot compare.
        takes: What the condition's value must be.
        fits: Whether a value is that.
    """

    holds: Callable[[Any, Any], bool | None]
    takes: str
    fits: Callable[[Any], bool]


def _equal(found: Any, value: Any) -> bool | None:
    if value is not None and kind_of(found) != kind_of(value):
        return None
    return same(found, value)


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal. True is not 1, and 1 is 1.0."""
    if kind_of(one) != kind_of(other):
        return False
    if isinstance(one, list):
        pairs = zip(one, other, strict=False)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return len(cast("list[Any]", one)) == len(other) and all(same(a, b) for a, b in pairs)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(one, dict):
        left, right = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    return bool(one == other)


def _negated(holds: bool | None) -> bool | None:
    return None if holds is None else not holds


def _among(found: Any, values: Any) -> bool | None:
    if not any(each is None or kind_of(each) == kind_of(found) for each in values):
        return None
    return any(same(found, each) for each in values)


def _numbers(compare: Callable[[Any, Any], bool]) -> Operator:
    def holds(found: Any, value: Any) -> bool | None:
        return compare(found, value) if kind_of(found) == "number" else None

    return Operator(holds, "a number", lambda value: kind_of(value) == "number")


def _texts(compare: Callable[[str, str], bool]) -> Operator:
    def holds(found: Any, value: Any) -> bool | None:
        return compare(found, value) if isinstance(found, str) else None

    return Operator(holds, "text that is not empty", lambda value: isinstance(value, str) and value != "")


def _is_kind(found: Any, kind: Any) -> bool:
    if kind == "integer":
        return kind_of(found) == "number" and float(found).is_integer() if _is_small(found) else True
    return kind_of(found) == kind


def _is_small(found: Any) -> bool:
    """Tell whether a value is no integer too large for a float."""
    return not isinstance(found, int) or abs(found) < 2**1000


def _is_any(value: Any) -> bool:
    return True


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and value != []


_ANY = ("any JSON value", _is_any)
_LIST = ("a list that is not empty", _is_list)

OPERATORS: Mapping[str, Operator] = {
    "==": Operator(_equal, *_ANY),
    "!=": Operator(lambda found, value: _negated(_equal(found, value)), *_ANY),
    "<": _numbers(lambda found, value: found < value),
    "<=": _numbers(lambda found, value: found <= value),
    ">": _numbers(lambda found, value: found > value),
    ">=": _numbers(lambda found, value: found >= value),
    "in": Operator(_among, *_LIST),
    "not in": Operator(lambda found, value: _negated(_among(found, value)), *_LIST),
    "glob": _texts(fnmatchcase),
    "startswith": _texts(str.startswith),
    "contains": _texts(lambda found, value: value in found),
    "exists": Operator(lambda found, value: None, "true or false", lambda value: isinstance(value, bool)),
    "type": Operator(_is_kind, f"one of {list(KINDS)}", lambda value: value in KINDS),
}
"""The operators of conditions. `exists` is decided by whether the argument is there."""

OTHER_WORDS = {
    "=": "==",
    "===": "==",
    "eq": "==",
    "equals": "==",
    "is": "==",
    "ne": "!=",
    "<>": "!=",
    "lt": "<",
    "lte": "<=",
    "le": "<=",
    "=<": "<=",
    "gt": ">",
    "gte": ">=",
    "ge": ">=",
    "=>": ">=",
    "nin": "not in",
    "not_in": "not in",
    "matches": "glob",
    "like": "glob",
    "starts_with": "startswith",
    "prefix": "startswith",
    "includes": "contains",
    "has": "exists",
}
"""Words that people write for an operator, for the errors that name it."""


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        if isinstance(value, dict):
            value = cast("dict[Any, Any]", value).get(part, _NOTHING)
        elif isinstance(value, list) and (number := _position(part)) is not None:
            items = cast("list[Any]", value)
            value = items[number] if number < len(items) else _NOTHING
        else:
            return _NOTHING
        if value is _NOTHING:
            return _NOTHING
    return value


def _position(part: str | int) -> int | None:
    if isinstance(part, int):
        return part
    return int(part) if part.isascii() and part.isdecimal() and len(part) < 10 else None


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else f"{text[:80]}..."
