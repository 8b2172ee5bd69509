"""The parts of a list (messages, tools) that is sent as changes to the previous call's list.

History shows them like this:

    {"kept": [0, 4]}      items 0 to 3 of the previous call
    {"answer": 2}         the answer to call 2, which is the previous call
    {"user": "Hello."}    a user message that is this text
    {"results": {"t1": "sunny"}}
                          a user message with these results of tool calls, each a text
    {"role": ...}         another message, or a tool's spec, encoded

In place of the first three, older histories have `[0, 4]`, null and a bare text.
"""

import json
from dataclasses import dataclass
from typing import Any, TypeAlias, cast


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
        case New(encoded):
            role, text = only_text_of(encoded)
            first = next(iter(encoded), None)  # the order of the keys is sent too
            if role == "user" and text is not None and first == "role":
                return {"user": text}
            results = _results_in(encoded)
            return encoded if results is None else {"results": results}


def only_text_of(encoded: Any) -> tuple[Any, str | None]:
    """Return the role and the text of a message that is one text and nothing else; else None as its text."""
    if type(encoded) is dict and len(cast("Any", encoded)) == 2:
        message = cast("dict[str, Any]", encoded)
        content: Any = message.get("content")
        if type(content) is list and len(cast("Any", content)) == 1 and "role" in message:
            block = cast("Any", content)[0]
            text = cast("dict[str, Any]", block).get("text") if isinstance(block, dict) else None
            if isinstance(text, str) and len(cast("dict[str, Any]", block)) == 1:
                return message["role"], text
    return None, None


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
        case {"results": dict(results), **more} if not more:
            return New(_with_results(cast("dict[str, str]", results)))
        case _:
            return New(wire)


def _results_in(encoded: Any) -> dict[str, str] | None:
    """Return the texts of a message that is results of tool calls, by id; None if there is more to it."""
    try:
        uses = [block["toolResult"] for block in encoded["content"]]
        results = {use["toolUseId"]: use["content"][0]["text"] for use in uses}
    except (KeyError, TypeError, IndexError):
        return None
    if not results or not all(type(text) is str for pair in results.items() for text in pair):
        return None
    return results if json.dumps(_with_results(results)) == json.dumps(encoded) else None


def _with_results(results: dict[str, str]) -> dict[str, Any]:
    content = [
        {"toolResult": {"toolUseId": tool_use_id, "status": "success", "content": [{"text": text}]}}
        for tool_use_id, text in results.items()
    ]
    return {"role": "user", "content": content}


def _user(text: str) -> New:
    return New({"role": "user", "content": [{"text": text}]})
