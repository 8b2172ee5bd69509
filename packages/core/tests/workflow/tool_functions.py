"""Functions, each of which is both a plain tool and an activity, and calls of them."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, cast

import pytest
import strands
from packages.core.tests.workflow.tool_scenes import ONCE
from pydantic import BaseModel, Field, ValidationError
from strands.types.exceptions import ModelThrottledException
from temporalio import activity

from strands_temporal.testing import AgentFactory, Parity
from strands_temporal.workflow import activity_as_tool

PNG = b"\x89PNG\r\n\x1a\n\x00\xff"


class Address(BaseModel):
    street: str
    zip_code: str = Field(alias="zipCode")


class Person(BaseModel):
    name: str
    born: date
    address: Address | None = None


@dataclass
class Point:
    x: int
    y: float = 0.5


class Color(enum.Enum):
    RED = "red"


class CityMissingError(LookupError):
    pass


class BadCityError(ValueError):
    pass


class CustomError(Exception):
    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code = code


# A user's own class with the name of one of Strands', but another meaning.
UsersThrottled = type("ModelThrottledException", (Exception,), {"__module__": "users.errors"})


class NoLiteral:
    def __repr__(self) -> str:
        return "<no literal>"


async def no_arguments() -> str:
    """Take nothing."""
    return "nothing"


async def defaults(a: int, b: str = "two", c: float = 3.0, d: list[int] | None = None) -> dict[str, Any]:
    """Take defaults.

    Args:
        a: The first.
        d: The last.
    """
    return {"a": a, "b": b, "c": c, "d": d}


async def annotated(count: Annotated[int, "how many"], unit: Annotated[str, "of what"] = "apples") -> str:
    """Count things."""
    return f"{count!r} {unit!r}"


async def introduce(person: Person, others: list[Person] | None = None) -> str:
    """Take Pydantic models."""
    # Strands' decorator dumps models to dicts; Temporal restores them by the hints.
    given: Any = person
    first = Person(**by_alias(given)) if isinstance(given, dict) else person
    return f"{first.name} {first.born} {first.address and first.address.zip_code} {len(others or [])}"


def by_alias(person: Any) -> dict[str, Any]:
    address = person.get("address")
    if address and "zip_code" in address:
        address = {"street": address["street"], "zipCode": address["zip_code"]}
    return {**person, "address": address}


async def measure(point: Point, more: list[Point] | None = None) -> str:
    """Take dataclasses."""
    given: Any = point
    first = Point(**cast("dict[str, Any]", given)) if isinstance(given, dict) else point
    return f"{first} {len(more or [])}"


async def when(at: datetime, on: date) -> str:
    """Take times."""
    return f"{at.isoformat()} {on.isoformat()}"


def in_a_thread(word: str, times: int = 2) -> str:
    """Run where blocking is allowed."""
    return word * times


RETURNS: dict[str, Callable[[], Any]] = {
    "text": lambda: "plain text",
    "empty": lambda: "",
    "unicode": lambda: {"ü": ["é", "日本"], "n": 1.5},
    "none": lambda: None,
    "number": lambda: 42,
    "list": lambda: [1, "a", None, True],
    "int_keys": lambda: {1: {2: "x"}},
    "pydantic": lambda: Person(name="Zoë", born=date(2000, 1, 2)),
    "pydantic_list": lambda: [Point(1)],
    "dataclass": lambda: Point(3, 4.5),
    "bytes": lambda: PNG,
    "set": lambda: {7},
    "datetime": lambda: datetime(2024, 5, 6, 7, 8, 9),
    "enum": lambda: Color.RED,
    "odd_text": lambda: "half a pair \udce9",
    "complete": lambda: {"status": "success", "content": [{"text": "one"}, {"json": {"two": [2]}}]},
    "failed": lambda: {"status": "error", "content": [{"text": "it did not work"}]},
    "one_text": lambda: {"status": "success", "content": [{"text": "only"}]},
    "further_keys": lambda: {"status": "success", "content": [{"text": "x"}], "structuredContent": {"a": 1}},
    "status_only": lambda: {"status": "fine", "contents": 1},
    "image": lambda: {
        "status": "success",
        "content": [{"text": "see"}, {"image": {"format": "png", "source": {"bytes": PNG}}}],
    },
    "document": lambda: {
        "status": "success",
        "content": [{"document": {"format": "txt", "name": "d", "source": {"bytes": b"plain ascii"}}}],
    },
    "like_ours": lambda: {"strands_tool": 1, "text": "not an answer of ours"},
}


async def returns(kind: str) -> Any:
    """Return a value of that kind."""
    return RETURNS[kind]()


RAISES: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("no such city"),
    "its child": lambda: BadCityError("bad city"),
    "KeyError": lambda: KeyError("city"),
    "KeyError of nothing": lambda: KeyError(),
    "KeyError of an object": lambda: KeyError(NoLiteral()),
    "KeyError of a tuple": lambda: KeyError(("a", 1)),
    "LookupError's child": lambda: CityMissingError("Atlantis"),
    "own class": lambda: CustomError(7, "because"),
    "own class, empty": lambda: CustomError.__new__(CustomError),
    "RuntimeError, empty": lambda: RuntimeError(),
    "OSError": lambda: FileNotFoundError(2, "No such file", "x.txt"),
    "decoding": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    "validation": lambda: not_valid(),
    "of Strands": lambda: ModelThrottledException("slow down"),
    "named as one of Strands": lambda: UsersThrottled("mine"),
    "unicode": lambda: RuntimeError("zürich 日本"),
    "NotImplementedError": lambda: NotImplementedError("later"),
    "TimeoutError": lambda: TimeoutError("too slow"),
}


def not_valid() -> Exception:
    with pytest.raises(ValidationError) as raised:
        Person.model_validate({"name": 1})
    return raised.value


async def raises(kind: str) -> str:
    """Raise an exception of that kind."""
    raise RAISES[kind]()


class Counter:
    """The object that a method is bound to, on the worker and in the plain run."""

    def __init__(self, start: int) -> None:
        self.start = start

    async def count(self, by: int = 1) -> str:
        """Count on from where the worker is.

        Args:
            by: How many.
        """
        return f"{self.start + by}"


FUNCTIONS: list[Any] = [
    no_arguments,
    defaults,
    annotated,
    introduce,
    measure,
    when,
    in_a_thread,
    returns,
    raises,
]
ACTIVITIES: dict[str, Any] = {f.__name__: activity.defn(f) for f in FUNCTIONS}
Counter.count = activity.defn(Counter.count)  # pyright: ignore[reportAttributeAccessIssue]
COUNTER = Counter(40)
WORKERS_ACTIVITIES = [*ACTIVITIES.values(), COUNTER.count]


def tools_of(make: AgentFactory) -> list[Any]:
    if not make.durable:
        return [strands.tool(function) for function in [*FUNCTIONS, COUNTER.count]]
    durable = [activity_as_tool(function, retry_policy=ONCE) for function in ACTIVITIES.values()]
    return [*durable, activity_as_tool(Counter.count, retry_policy=ONCE)]


ARGUMENTS: dict[str, tuple[str, dict[str, Any] | str]] = {
    "no arguments": ("no_arguments", {}),
    "no arguments, one given": ("no_arguments", {"surplus": 1}),
    "defaults left out": ("defaults", {"a": 1}),
    "defaults out of order": ("defaults", {"d": [1, 2], "c": 1, "a": 9}),
    "coerced": ("defaults", {"a": "7", "c": "2.5", "d": ["1"]}),
    "wrong type": ("defaults", {"a": "seven"}),
    "missing": ("defaults", {"b": "x"}),
    "null for a required one": ("defaults", {"a": None}),
    "extra ignored": ("defaults", {"a": 1, "mood": "good"}),
    "annotated": ("annotated", {"count": 3}),
    "pydantic": ("introduce", {"person": {"name": "Ada", "born": "1815-12-10"}}),
    "pydantic with alias": (
        "introduce",
        {
            "person": {"name": "A", "born": "1815-12-10", "address": {"street": "s", "zipCode": "12"}},
            "others": [{"name": "B", "born": "1990-01-01"}],
        },
    ),
    "pydantic wrong": ("introduce", {"person": {"name": "Ada", "born": "yesterday"}}),
    "dataclass": ("measure", {"point": {"x": 1}, "more": [{"x": 2, "y": 3}]}),
    "dataclass wrong": ("measure", {"point": {"y": 1}}),
    "times": ("when", {"at": "2024-05-06T07:08:09", "on": "2024-05-06"}),
    "sync in a thread": ("in_a_thread", {"word": "ab"}),
    "method": ("count", {"by": 2}),
    "method with default": ("count", {}),
    "broken json": ("defaults", '{"a": '),
}
CALLS = {
    **ARGUMENTS,
    **{f"returns {kind}": ("returns", {"kind": kind}) for kind in RETURNS if kind != "like_ours"},
    **{f"raises {kind}": ("raises", {"kind": kind}) for kind in RAISES},
}


def text_of(parity: Parity) -> str:
    (answer,) = parity.durable.given[-1]["messages"][-1]["content"]
    return answer["toolResult"]["content"][0]["text"]
