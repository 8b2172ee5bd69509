"""Delta encoding of conversations: ranges kept from the previous call, plus new messages.

`_workflow/transcripts.py` remembers what it sent, `_worker/transcripts.py` keeps what it got. Both identify
an item (a message or a tool spec) by the digest of its JSON. `transcript_parts.py` has the format in which a
delta is sent.
"""

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple, TypedDict, TypeVar, cast

from strands.types.content import SystemContentBlock, split_system_prompt

from .transcript_parts import Answer, Kept, New, Part
from .values import decode, encode

T = TypeVar("T")

WHOLE_DIGITS = 16
"""Number of hex digits in the digest of a whole conversation."""

ANSWER_DIGITS = 8
"""Number of hex digits of a message's digest that a worker returns with an answer. They identify the answer
in the workflow's conversation."""


class Frame(TypedDict, total=False):
    """The parts of a conversation besides messages and tools. A part is sent when it changes.

    Attributes:
        system_prompt: System prompt as text, only if `system_blocks` does not give the same text.
        system_blocks: System prompt as Strands content blocks, encoded.
        session_id: Session id of the agent. Providers derive prompt cache keys from it.
        output: Class that the answer must fit, if Strands asks for one: an `OutputSchema` as a dict.
    """

    system_prompt: str
    system_blocks: list[Any]
    session_id: str
    output: dict[str, Any]


class Item(NamedTuple):
    """A message or tool spec as it was sent.

    Attributes:
        value: The message or spec. Its dicts and lists are copies, because Strands changes messages in place.
            Its texts are shared with the original.
        digest: Digest of the value's JSON.
        only_text: Whether all leaves of the value are text. If so, `==` is exact, and faster than
            `json_equal`.
    """

    value: Any
    digest: bytes
    only_text: bool

    def is_unchanged(self, value: Any) -> bool:
        """Tell whether a value has the same JSON that this item had when it was sent."""
        return bool(self.value == value) if self.only_text else json_equal(self.value, value)


class Delta(NamedTuple):
    """A list of messages or tool specs, as a delta against the previous call's list.

    Attributes:
        items: The list.
        parts: The ranges that the list takes from the previous list, and the new items, in order.
        size: Bytes of the new items' JSON.
    """

    items: list[Item]
    parts: list[Part]
    size: int


def frame_of(
    system_prompt: str | None,
    system_blocks: Sequence[SystemContentBlock] | None,
    session_id: str | None,
    output: dict[str, Any] | None,
) -> Frame:
    """Return the `Frame` of a call: system prompt, session id and output class. An unset value has no key."""
    said_by_blocks, _ = split_system_prompt(list(system_blocks) if system_blocks is not None else None)
    frame = {
        "system_prompt": None if said_by_blocks == system_prompt else system_prompt,
        "system_blocks": encode(system_blocks) if system_blocks is not None else None,
        "session_id": session_id,
        "output": output,
    }
    return cast("Frame", {key: value for key, value in frame.items() if value is not None})


def system_prompt_of(frame: Frame) -> tuple[str | None, list[SystemContentBlock] | None]:
    """Return the system prompt as text and as content blocks."""
    blocks = cast("list[SystemContentBlock] | None", decode(frame.get("system_blocks")))
    said_by_blocks, _ = split_system_prompt(blocks)
    return frame.get("system_prompt", said_by_blocks), blocks


def canonical(encoded: Any) -> bytes:
    """Return the canonical JSON of an encoded value: equal at both ends even if a converter reorders keys."""
    return json.dumps(encoded, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode()


def digest_of(data: bytes) -> bytes:
    """Return the digest of an item's canonical JSON."""
    return blake2b(data, digest_size=12).digest()


def digest_of_frame(frame: Frame) -> bytes:
    """Return the digest of a `Frame`."""
    return digest_of(canonical(frame))


def digest_of_all(messages: Sequence[bytes], tools: Sequence[bytes], frame: bytes) -> str:
    """Return the digest of a whole conversation, in `WHOLE_DIGITS` digits.

    Args:
        messages: Digests of the messages.
        tools: Digests of the tool specs.
        frame: Digest of the `Frame`: system prompt, session id and output class.
    """
    whole = blake2b(b"".join(messages), digest_size=WHOLE_DIGITS // 2)
    whole.update(b"tools" + b"".join(tools) + b"frame" + frame)
    return whole.hexdigest()


def delta(before: Sequence[Item], values: Sequence[Any], answer: str = "", call: int = 0) -> Delta:
    """Return a list as a delta against the previous one. Does not serialise unchanged items.

    Args:
        before: The previous list.
        values: The list now, as Strands has it.
        answer: First `ANSWER_DIGITS` digits of the digest of the previous call's answer; empty if no worker
            returned an answer.
        call: Number of the previous call.

    Raises:
        TypeError: If a new item contains something that is neither JSON nor bytes.
    """
    items: list[Item] = []
    parts: list[Part] = []
    places = _Places(before)
    size = 0
    at = 0  # where the next item of `before` is expected
    start: int | None = None  # of the open range of kept items, which ends at `at`; else None
    for value in values:
        if at < len(before) and before[at].is_unchanged(value):
            place: int | None = at
        else:
            encoded = encode(value)
            data = canonical(encoded)
            digest = digest_of(data)
            place = places.find(digest)
            if place is None:
                if start is not None:
                    parts.append(Kept(start, at))
                    start = None
                copied = _copy(value)
                items.append(Item(copied, digest, _is_only_text(copied)))
                if digest.hex()[:ANSWER_DIGITS] == answer:
                    parts.append(Answer(call))
                else:
                    parts.append(New(encoded))
                    size += len(data)
                continue
        if start is not None and place != at:
            parts.append(Kept(start, at))
            start = None
        if start is None:
            start = place
        at = place + 1
        items.append(before[place])
    if start is not None:
        parts.append(Kept(start, at))
    return Delta(items, parts, size)


class _Places:
    """Finds items by their digests.

    Builds its index at the first search, because most calls only append.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self._places: dict[bytes, int] | None = None

    def find(self, digest: bytes) -> int | None:
        if self._places is None:
            self._places = {item.digest: i for i, item in reversed(list(enumerate(self._items)))}
        return self._places.get(digest)


def apply_delta(
    before: Sequence[T], parts: Iterable[Part], answer: T | None, make: Callable[[Any], T]
) -> list[T]:
    """Return the list that `parts` describes as a delta against the previous one.

    Args:
        before: The previous list.
        parts: The parts that `delta` returned.
        answer: The answer to the previous call, if it is known.
        make: Makes an item from an encoded value.

    Raises:
        LookupError: If the parts refer to items that `before` does not have, or to an answer that is not
            known.
    """
    items: list[T] = []
    for part in parts:
        match part:
            case Kept(start, stop):
                if stop > len(before):
                    raise LookupError(f"the delta keeps {stop} of {len(before)} previous items")
                items += before[start:stop]
            case Answer():
                if answer is None:
                    raise LookupError("the answer to the previous call is not known")
                items.append(answer)
            case New(encoded):
                items.append(make(encoded))
    return items


def json_equal(kept: Any, value: Any) -> bool:
    """Tell whether a value has the same JSON as its copy. Strings that are the same object cost nothing."""
    if kept is value:  # not a dict or list, because those were copied
        return True
    kind: Any = type(value)
    if type(kept) is not kind:
        return False
    if kind is dict:
        if len(kept) != len(value):
            return False
        for (kept_key, kept_item), (key, item) in zip(kept.items(), value.items(), strict=True):
            if not (kept_item is item or json_equal(kept_item, item)) or kept_key != key:
                return False
        return True
    if kind is list:
        if len(kept) != len(value):
            return False
        for kept_item, item in zip(kept, value, strict=True):
            if not (kept_item is item or json_equal(kept_item, item)):
                return False
        return True
    if kind is float:  # for `==`, 0.0 and -0.0 are equal
        return repr(kept) == repr(value)
    return kind in _PLAIN and kept == value


_PLAIN = (str, int, bool, bytes, type(None))


def _copy(value: Any) -> Any:
    """Return a copy of a value's dicts and lists, for `json_equal` to compare. Texts and bytes are shared."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_copy(item) for item in cast("list[Any]", value)]
    if isinstance(value, (bytearray, memoryview)):
        return bytes(cast("bytes", value))
    return value


def _is_only_text(copied: Any) -> bool:
    kind: Any = type(copied)
    if kind is dict:
        return all(map(_is_only_text, copied.values()))
    if kind is list:
        return all(map(_is_only_text, copied))
    return kind is str


PAGE_BYTES = 360 * 1024
"""Compressed bytes of one page of a query's answer. A page is sent as base64, because a user's converter may
not support bytes. The server warns of query results above 512 KiB and fails those above 2 MiB."""


PAGE_HEADER = struct.Struct(f">I{WHOLE_DIGITS}s")  # number of pages, and the conversation's digest


def held_digest(value: Any) -> str:
    """Return the digest of an encoded value that a workflow holds for a call."""
    return digest_of(canonical(value)).hex()[:WHOLE_DIGITS]
