"""Reads the parts of a policy's JSON. Each error names the place in the data."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from strands_temporal import AgentValueError
from strands_temporal.extension import did_you_mean

from ._values import brief

LONGEST_NAME = 200
"""Characters of a name, a glob, a version. A record holds them."""


def object_in(place: str, value: Any, known: Sequence[str], needed: Sequence[str]) -> dict[str, Any]:
    """Return the object at a place, if it has no other keys than the known ones, and all that it needs."""
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


def each_in(place: str, value: Any, read: Callable[[str, Any], Any]) -> tuple[Any, ...]:
    """Return what `read` makes of each entry of the list at a place."""
    if not isinstance(value, (list, tuple)):
        raise fault(place, f"{brief(value)} is not a list")
    return tuple(read(f"{place}[{i}]", each) for i, each in enumerate(cast("Sequence[Any]", value)))


def globs_in(place: str, value: Any) -> tuple[str, ...]:
    """Return the list of texts at a place."""
    if isinstance(value, str):
        raise fault(place, f"{brief(value)} is not a list. Write [{value!r}]")
    return each_in(place, value, text_in)


def text_in(place: str, value: Any, longest: int = LONGEST_NAME) -> str:
    """Return the text at a place."""
    if not isinstance(value, str):
        raise fault(place, f"{brief(value)} is not text")
    if not value.strip():
        raise fault(place, "is empty")
    if len(value) > longest:
        raise fault(place, f"has {len(value):,} characters, and may have {longest:,}")
    return value


def check_names(place: str, names: Sequence[str]) -> None:
    """Check that each name is there once."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise fault(
                f"{place}[{i}].name", f"{brief(name)} is the name of {place}[{names.index(name)}] too"
            )


def unknown(
    place: str, value: Any, known: Iterable[str], words: Mapping[str, str] | None = None
) -> AgentValueError:
    """Return the error for a value or a key that is unknown."""
    close = (words or {}).get(value) if isinstance(value, str) else None
    hint = f" Did you mean {close!r}?" if close else did_you_mean(str(value)[:LONGEST_NAME], known)
    if place and not place.endswith("."):
        return fault(place, f"{brief(value)} is unknown. Known: {', '.join(known)}.{hint}")
    where = f"{place}{value}" if isinstance(value, str) and value else f"{place}{brief(value)}"
    return fault(where[:LONGEST_NAME], f"is unknown. Known: {', '.join(known)}.{hint}")


def fault(place: str, text: str) -> AgentValueError:
    """Return the error that names a place."""
    return AgentValueError(f"ApprovalPolicy: {place}: {text}" if place else f"ApprovalPolicy: {text}")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of these pairs. Raises ValueError if a name is there twice."""
    if len(found := dict(pairs)) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} is there twice in an object")
    return found


def refuse(constant: str) -> None:
    """Refuse a constant that is not JSON."""
    raise ValueError(f"{constant} is not JSON")
