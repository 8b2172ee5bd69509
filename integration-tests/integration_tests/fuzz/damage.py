"""Hypothesis strategies that damage a value: cut it, replace or drop its fields, and nest what is flat."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

from hypothesis import strategies as st

Path: TypeAlias = tuple[Any, ...]

_MOST_PATHS = 2_000


def _nested(depth: int, of: Any = None) -> Any:
    value: Any = of
    for _ in range(depth):
        value = [value]
    return value


DEEP = 3_000
"""Levels of the deepest values. Python's own limit is 1,000 calls."""

_DEEP_VALUES: Sequence[Callable[[], Any]] = (lambda: _nested(DEEP), lambda: {"a": _nested(DEEP)})

_ODD: Sequence[Any] = (
    *(None, True, False, 0, -1, 1, 2, 2**31, 2**70, -(2**70), 1.5, -0.0, 1e308, 10**400),
    *("", " ", "0", "x", "\x00", "null", "é", "\ud83d", "a" * 5_000, "1e9", "2026-11-30T10:00:00+00:00"),
    *(
        "2026-11-30",
        "9999-12-31T23:59:59+14:00",
        "[]",
        "{}",
        "sha256:",
        "v1:before_tool_call:x:y",
        "..",
        "a.b",
    ),
    *([], [None], [[]], [0, 1], ["a", "b"], ["a", 1, None], [[1, 2], [3]], [{}], [{"a": 1}]),
    *({}, {"a": None}, {"": 0}, {"version": 99}, {"type": "TurnEnd"}, {"role": "user"}, {"text": 5}),
    *(
        {"$b64": "!"},
        {"$b64": 5},
        {"$b64": "AA"},
        {"$s64": "AA=="},
        {"$s64": "/w=="},
        {"$$b64": 1},
        {"$s64": []},
    ),
    *({"kept": [0, 10**9]}, {"kept": [-1, 1]}, {"answer": 9}, {"user": "x"}, {"messageStart": 1}),
    *({"contentBlockDelta": {"delta": 1}}, {"toolUse": {}}, {"toolResult": {}}, {"__proto__": 1}),
    *(float("nan"), float("inf")),
)


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
_NAMES = st.text(max_size=6)
_SMALL = _LEAVES | st.lists(_LEAVES, max_size=4) | st.dictionaries(_NAMES, _LEAVES, max_size=4)

JSON_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(_ODD).map(lambda value: copied(value)),  # a later damage may change it in place
    _SMALL | st.lists(_SMALL, max_size=3) | st.dictionaries(_NAMES, _SMALL, max_size=3),
    st.sampled_from(_DEEP_VALUES).map(lambda make: make()),
)
"""JSON values: odd ones, small ones of any kind, and some that are very deep."""

_COIN = st.booleans()
_HOW_MANY = st.integers(0, 3)
_ONE_IN_TWENTY = st.integers(0, 20)
_PIECE = st.text(min_size=1, max_size=3)
_BYTES = st.binary(min_size=1, max_size=3)
_FEW = st.integers(1, 9)
_OF_DICT = st.sampled_from(["drop", "add", "rename", "swap"])
_OF_LIST = st.sampled_from(["cut", "drop", "twice", "turn"])
_OF_TEXT = st.sampled_from(["cut", "head", "drop", "put", "flip", "twice"])


def damaged(seeds: Sequence[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for JSON values that are like one of `seeds`, with up to four damages.

    One of the damages is to be another value altogether.
    """
    known = [(seed, list(_paths(seed))[:_MOST_PATHS]) for seed in seeds]
    return JSON_VALUES if not known else _damaged(known)


@st.composite
def _damaged(draw: st.DrawFn, known: list[tuple[Any, list[Path]]]) -> Any:
    seed, paths = _one_of(draw, known)
    value = copied(seed)
    for _ in range(draw(_HOW_MANY)):
        value = _with(value, _one_of(draw, paths), lambda part: _part(draw, part))
    return value if draw(_ONE_IN_TWENTY) else draw(JSON_VALUES)


def _below(draw: st.DrawFn, stop: int) -> int:
    return draw(st.integers(0, stop - 1))


def _one_of(draw: st.DrawFn, items: Sequence[Any]) -> Any:
    return items[_below(draw, len(items))]


def damaged_text(seeds: Sequence[str]) -> st.SearchStrategy[str]:
    """Return a strategy for texts: seeds that were cut, joined and changed."""
    return _text_of(list(seeds)) | st.text(max_size=40)


def damaged_bytes(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return a strategy for bytes: seeds that were cut, joined and changed."""
    return _bytes_of(list(seeds)) | st.binary(max_size=40)


def json_text(value: Any) -> str:
    """Return the JSON text of a value. Very deep values are written without recursion, bytes as text."""
    depth, inner = 0, value
    while isinstance(inner, list) and len(cast("list[Any]", inner)) == 1:
        inner, depth = cast("list[Any]", inner)[0], depth + 1
    if depth > 500:
        return "[" * depth + json_text(inner) + "]" * depth
    if isinstance(value, dict):
        items = cast("dict[Any, Any]", value).items()
        return "{" + ",".join(f"{json.dumps(str(key))}:{json_text(each)}" for key, each in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, cast("list[Any]", value))) + "]"
    try:
        return json.dumps(value, default=str)
    except ValueError:  # an integer with more digits than Python writes
        return "1" + "0" * 5_000


def as_dict(value: Any) -> dict[str, Any]:
    """Return a dict, or an empty one in place of anything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return a list, or an empty one in place of anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def copied(value: Any) -> Any:
    """Return a copy of JSON values. What is not JSON is not copied."""
    if isinstance(value, dict):
        return {key: copied(each) for key, each in cast("dict[Any, Any]", value).items()}
    return [copied(each) for each in cast("list[Any]", value)] if isinstance(value, list) else value


def _paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Yield the paths to all parts of a value, the outer ones first."""
    level = [(at, value)]
    while level:
        following: list[tuple[Path, Any]] = []
        for path, part in level:
            yield path
            if isinstance(part, dict):
                following += [((*path, key), each) for key, each in cast("dict[Any, Any]", part).items()]
            elif isinstance(part, list):
                following += [((*path, i), each) for i, each in enumerate(cast("list[Any]", part))]
        level = following


def _with(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """Return a value with a changed part. A path that an earlier damage took away changes nothing."""
    if not path:
        return change(value)
    parent = value
    for step in path[:-1]:
        if not _has(parent, step):
            return value
        parent = parent[step]
    if _has(parent, path[-1]):
        parent[path[-1]] = change(parent[path[-1]])
    return value


def _has(parent: Any, step: Any) -> bool:
    if isinstance(parent, dict):
        return step in parent
    return isinstance(parent, list) and isinstance(step, int) and step < len(cast("list[Any]", parent))


def _part(draw: st.DrawFn, part: Any) -> Any:
    """Return a part that was damaged: in its own way, or replaced."""
    if isinstance(part, dict) and part and draw(_COIN):
        fields = cast("dict[Any, Any]", part)
        key = _one_of(draw, list(fields))
        how = draw(_OF_DICT)
        if how == "drop":
            return {name: each for name, each in fields.items() if name != key}
        if how == "add":
            return {**fields, draw(_NAMES): draw(JSON_VALUES)}
        if how == "rename":
            return {f"{name}_" if name == key else name: each for name, each in fields.items()}
        other = _one_of(draw, list(fields))
        return {**fields, key: fields[other], other: fields[key]}
    if isinstance(part, list) and part and draw(_COIN):
        items = cast("list[Any]", part)
        at = _below(draw, len(items))
        how = draw(_OF_LIST)
        if how == "cut":
            return items[:at]
        if how == "drop":
            return items[:at] + items[at + 1 :]
        return items[:at] + items[at : at + 1] * 2 + items[at + 1 :] if how == "twice" else items[::-1]
    if isinstance(part, str) and part and draw(_COIN):
        return _text_like(draw, part)
    return draw(JSON_VALUES)


@st.composite
def _text_of(draw: st.DrawFn, seeds: Sequence[str]) -> str:
    return _text_like(draw, _one_of(draw, seeds))


@st.composite
def _bytes_of(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    return _bytes_like(draw, _one_of(draw, seeds))


def _text_like(draw: st.DrawFn, text: str) -> str:
    for _ in range(1 + draw(_HOW_MANY)):
        at = _below(draw, len(text) + 1)
        how = draw(_OF_TEXT)
        if how == "cut":
            text = text[:at]
        elif how == "head":
            text = text[at:]
        elif how == "drop":
            text = text[:at] + text[at + draw(_FEW) :]
        elif how == "twice":
            text = text[:at] + text[max(0, at - 9) :]
        else:
            text = text[:at] + draw(_PIECE) + text[at + (how == "flip") :]
    return text


def _bytes_like(draw: st.DrawFn, data: bytes) -> bytes:
    for _ in range(1 + draw(_HOW_MANY)):
        at = _below(draw, len(data) + 1)
        how = draw(_OF_TEXT)
        if how == "cut":
            data = data[:at]
        elif how == "head":
            data = data[at:]
        elif how == "drop":
            data = data[:at] + data[at + draw(_FEW) :]
        elif how == "twice":
            data = data[:at] + data[max(0, at - 9) :]
        else:
            data = data[:at] + draw(_BYTES) + data[at + (how == "flip") :]
    return data
