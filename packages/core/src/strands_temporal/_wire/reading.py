"""Reads values that crossed between processes, releases or runs.

A value that cannot be read is a typed error that names it. Without that, a damaged value in a workflow would
be a KeyError, which fails the workflow task, and Temporal would repeat the task for ever.
"""

import types
import zlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from strands.types.exceptions import SessionException
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError

from .._errors import AgentTypeError, AgentValueError
from .values import known_fields

T = TypeVar("T")

_Fits: TypeAlias = Callable[[Any], bool]

FAULTS = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, zlib.error),
    SessionException,  # of Strands, for a snapshot
)
"""What the code that reads a value may raise, if the value is not what it should be."""

_SHOWN = 60  # characters


def unreadable(what: str, error: Exception) -> AgentValueError:
    """Return the error for a value that cannot be read: "The carry of 'x'" and what is wrong with it."""
    why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return AgentValueError(
        f"{what} cannot be read ({why}). It was damaged, or something else than strands-temporal wrote it"
    )


@contextmanager
def reading(what: str) -> Generator[None]:
    """Turn what a block raises for a value of a wrong form into one typed error.

    Args:
        what: Name of the value, for the message: "A model's answer".

    Raises:
        AgentValueError: In place of any of `FAULTS`. A typed error of the block stays as it is.
    """
    try:
        yield
    except ApplicationError:
        raise
    except FAULTS as error:
        raise unreadable(what, error) from error


def header_value(payload: Payload, what: str) -> Any:
    """Return the JSON value in a header of ours.

    Args:
        payload: The header.
        what: Name of it, for the message: "The header of a tool call".

    Raises:
        AgentValueError: If it holds none, for example because it is encrypted.
    """
    try:
        return PayloadConverter.default.from_payload(payload)
    except Exception as error:  # temporalio raises RuntimeError and KeyError
        raise unreadable(what, error) from error


def read_as(cls: type[T], wire: Any, *, newest: int | None = None) -> T:
    """Return the wire type that was sent as the JSON object `wire`. Ignores what a newer release added.

    Args:
        cls: A dataclass of JSON values.
        wire: The object.
        newest: Newest version that this release knows; by default the class's own. The fields of a newer one
            are not checked: `check_wire_version` refuses it.

    Raises:
        AgentTypeError: If `wire` is no object, or a field has a value of a wrong type.
        AgentValueError: If a field is missing.
    """
    if not isinstance(wire, Mapping):
        raise AgentTypeError(f"{cls.__name__}: {shown(wire)} is not an object with its fields")
    form, given = _form(cls), cast("dict[str, Any]", wire)
    known = known_fields(cls, given)
    version = known.get("version")
    is_newer = isinstance(version, int) and version > (form.version if newest is None else newest)
    if not is_newer:
        for name, value in known.items():
            fits = form.fields.get(name)
            if fits is not None and not fits(value):
                raise AgentTypeError(f"{cls.__name__}: {name}={shown(value)} is not {form.hints[name]}")
    for name in form.required:
        if name not in known:
            raise AgentValueError(
                f"{cls.__name__}: {name!r} is missing. Given: {sorted(map(str, given))[:20]}"
            )
    return cls(**known)


class _Form:
    """What the fields of a wire type may hold."""

    def __init__(self, cls: type[Any]) -> None:
        hints = get_type_hints(cls)
        entries = fields(cls)
        self.fields = {entry.name: check for entry in entries if (check := _check(hints[entry.name]))}
        self.hints = {entry.name: _named(entry.type) for entry in entries}
        self.required = [
            entry.name for entry in entries if entry.default is MISSING and entry.default_factory is MISSING
        ]
        version: Any = next((entry.default for entry in entries if entry.name == "version"), 0)
        self.version = version if isinstance(version, int) else 0


@cache
def _form(cls: type[Any]) -> _Form:
    return _Form(cls)


def _named(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _check(hint: Any) -> _Fits | None:
    """Return the function that tells whether a JSON value fits a type hint; None if each value does."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        checks = [_check(arg) for arg in args]
        known = [check for check in checks if check is not None]
        return (lambda value: any(check(value) for check in known)) if len(known) == len(checks) else None
    if hint is Any:
        return None
    if origin is Literal:
        return lambda value: isinstance(value, str) and value in args
    if origin is list:
        return _all_of(list, _check(args[0]), lambda value: value)
    if origin is tuple and args[1:] == (...,):
        return _all_of(tuple, _check(args[0]), lambda value: value)
    if origin in (dict, Mapping):
        # Counts, which some providers give as floats.
        return _all_of(dict, _check(float if args[1] is int else args[1]), lambda value: value.values())
    if hint is float:
        return lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    return (lambda value: isinstance(value, hint)) if isinstance(hint, type) and hint is not object else None


def _all_of(kind: type[Any], each: _Fits | None, items: Callable[[Any], Any]) -> _Fits:
    if each is None:
        return lambda value: isinstance(value, kind)
    return lambda value: isinstance(value, kind) and all(map(each, items(value)))


def shown(value: Any) -> str:
    """Return the beginning of a value's text, for a message. A list or a dict is its size: it may be deep."""
    if isinstance(value, (dict, list, tuple)):
        kind: type[Any] = type(cast("Any", value))
        return f"a {kind.__name__} of {len(cast('Any', value))}"
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**30 else "a very large number"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
