"""The parts of a list (messages, tools) that is sent as changes to the previous call's list.

History shows them like this:

    {"kept": [0, 4]}      items 0 to 3 of the previous call
    {"answer": 2}         the answer to call 2, which is the previous call
    {"user": "Hello."}    a user message that is this text
    {"role": ...}         another message, or a tool's spec, encoded

In place of the first three, older histories have `[0, 4]`, null and a bare text.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Kept:
    """A range of items of the previous call's list.

    Attributes:
        start: Index of the first item.
        stop: Index after the last item.
    """

    start: int
    stop: int


@dataclass(frozen=True)
class Answer:
    """The answer to the previous call.

    Attributes:
        call: Number of the previous call; 0 in older histories, which did not have the number.
    """

    call: int


@dataclass(frozen=True)
class New:
    """An item that is sent in full, because the previous call's list does not have it.

    Attributes:
        encoded: The message or tool spec, encoded.
    """

    encoded: Any


Part: TypeAlias = Kept | Answer | New


def part_to_wire(part: Part) -> Any:
    """Return a part as it is sent."""
    match part:
        case Kept(start, stop):
            return {"kept": [start, stop]}
        case Answer(call):
            return {"answer": call}
        case New(
            {"role": "user", "content": [{"text": str(text), **more_of_block}], **more} as encoded
        ) if not (
            more or more_of_block or next(iter(encoded)) != "role"  # the order of the keys is sent too
        ):
            return {"user": text}
        case New(encoded):
            return encoded


def part_from_wire(wire: Any) -> Part:
    """Return the part that was sent as `wire`, by this release or an older one."""
    match wire:
        case [int(start), int(stop)]:
            return Kept(start, stop)
        case None:
            return Answer(0)
        case str(text):
            return _user(text)
        case {"kept": [int(start), int(stop)], **more} if not more:
            return Kept(start, stop)
        case {"answer": int(call), **more} if not more:
            return Answer(call)
        case {"user": str(text), **more} if not more:
            return _user(text)
        case _:
            return New(wire)


def _user(text: str) -> New:
    return New({"role": "user", "content": [{"text": text}]})
