"""Reads JSON data: checks of its parts. Each error names the place in the data."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from strands_temporal import AgentValueError
from strands_temporal.extension import did_you_mean

LONGEST_NAME = 200
"""Characters of a name, a glob, a version; a record holds them."""


def obj(place: str, value: Any, known: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise fault(place, f"{brief(value)} is not an object. Known: {', '.join(known)}")
    given = cast("Mapping[Any, Any]", value)
    for name in given:
        if not isinstance(name, str) or name not in known:
            raise unknown(f"{place}." if place else "", name, known)
    for name in needed:
        if name not in given:
            raise fault(f"{place}.{name}" if place else name, "is missing")
    return dict(cast("Mapping[str, Any]", given))


def each_of(place: str, value: Any, read: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise fault(place, f"{brief(value)} is not a list")
    return tuple(read(f"{place}[{i}]", each) for i, each in enumerate(cast("Sequence[Any]", value)))


def texts(place: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise fault(place, f"{brief(value)} is not a list. Write [{value!r}]")
    return each_of(place, value, text_of)


def text_of(place: str, value: Any, longest: int = LONGEST_NAME) -> str:
    if not isinstance(value, str):
        raise fault(place, f"{brief(value)} is not text")
    if not value.strip():
        raise fault(place, "is empty")
    if len(value) > longest:
        raise fault(place, f"has {len(value):,} characters, and may have {longest:,}")
    return value


def unknown(
    place: str, value: Any, known: Iterable[str], words: Mapping[str, str] | None = None
) -> AgentValueError:
    close = (words or {}).get(value) if isinstance(value, str) else None
    hint = f" Did you mean {close!r}?" if close else did_you_mean(str(value)[:LONGEST_NAME], known)
    if place and not place.endswith("."):
        return fault(place, f"{brief(value)} is unknown. Known: {', '.join(known)}.{hint}")
    where = f"{place}{value}" if isinstance(value, str) and value else f"{place}{brief(value)}"
    return fault(where[:LONGEST_NAME], f"is unknown. Known: {', '.join(known)}.{hint}")


def fault(place: str, text: str) -> AgentValueError:
    return AgentValueError(f"ApprovalPolicy: {place}: {text}" if place else f"ApprovalPolicy: {text}")


def brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
