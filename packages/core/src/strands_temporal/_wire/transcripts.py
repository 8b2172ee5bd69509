"""Delta encoding of conversations: ranges kept from the previous call, plus new messages.

`_workflow/transcripts.py` remembers what it sent, `_worker/transcripts.py` keeps what it got. Both identify
an item (a message or a tool spec) by the digest of its JSON. `transcript_parts.py` has the format in which a
delta is sent.
"""

import json
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from json.encoder import encode_basestring
from operator import itemgetter
from typing import Any, Literal, NamedTuple, TypedDict, TypeVar, cast

from strands.types.content import SystemContentBlock, split_system_prompt

from .transcript_parts import Answer, Kept, New, Part, only_text_of
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


class Items:
    """A list of messages or tool specs as it was sent. It is not changed; a later call has another list.

    Attributes:
        values: The messages or specs. Their dicts and lists are copies, because Strands changes messages in
            place. Their texts are shared with the originals. Nobody changes these copies.
        digests: Digest of each value's JSON.
        inexact: Places of the values for which `==` is not enough: not all of their leaves are text.
        places: First place of each digest, once something was looked for.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.digests: list[bytes] = []
        self.inexact: list[int] = []
        self.places: dict[bytes, int] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def unchanged(self, place: int, values: Sequence[Any], start: int) -> int:
        """Return how many values from `start` on have the same JSON as the items from `place` on."""
        return self._run(self.values, place, values, start)

    def unchanged_contents(
        self, place: int, contents: Sequence[Any], roles: Sequence[Any], start: int
    ) -> int:
        """Return how many messages have the same content and role as the sent messages from `place` on.

        Args:
            place: Place of the first sent message.
            contents: The contents of all messages.
            roles: Their roles.
            start: Place of the first message.
        """
        count = self._run(self.contents, place, contents, start)
        if self.roles[place : place + count] == roles[start : start + count]:
            return count
        return next(n for n in range(count) if self.roles[place + n] != roles[start + n])

    @cached_property
    def roles(self) -> list[Any]:
        """The roles of the messages."""
        return all_of("role", self.values)

    @cached_property
    def contents(self) -> list[Any]:
        """The contents of the messages."""
        return all_of("content", self.values)

    def _run(self, kept: list[Any], place: int, values: Sequence[Any], start: int) -> int:
        """Return how many of `values` have the same JSON. Compares all at once: most calls only append."""
        count = min(len(kept) - place, len(values) - start)
        if count <= 0:
            return 0
        if not equal(kept[place], values[start]):  # as in a window that moved
            return 0
        if not equal(kept[place : place + count], values[start : start + count]):
            count = next(
                n for n in range(count + 1) if n == count or not equal(kept[place + n], values[start + n])
            )
        if not self.inexact:
            return count
        first, last = bisect_left(self.inexact, place), bisect_left(self.inexact, place + count)
        inexact = self.inexact[first:last]
        return next(
            (at - place for at in inexact if not json_equal(kept[at], values[start + at - place])), count
        )

    def find(self, digest: bytes) -> int | None:
        """Return the first place of an item with this digest, or None."""
        if self.places is None:
            self.places = {digest: at for at, digest in reversed(list(enumerate(self.digests)))}
        place = self.places.get(digest)
        # A list that was never finished may have added places.
        known = place is not None and place < len(self.digests) and self.digests[place] == digest
        return place if known else None

    def keep(self, items: "Items", start: int, stop: int) -> None:
        """Add items of another list. For a list in the making; the other one is not used after it."""
        self.places = items.places if not self.values and (start, stop) == (0, len(items)) else None
        shift = len(self.values) - start
        first, last = bisect_left(items.inexact, start), bisect_left(items.inexact, stop)
        self.inexact += [place + shift for place in items.inexact[first:last]]
        self.values += items.values[start:stop]
        self.digests += items.digests[start:stop]

    def add(self, value: Any, digest: bytes) -> None:
        """Add a copy of a value. For a list in the making."""
        copied = _copy(value)
        if not _is_only_text(copied):
            self.inexact.append(len(self.values))
        if self.places is not None:
            self.places.setdefault(digest, len(self.values))
        self.values.append(copied)
        self.digests.append(digest)


class Delta(NamedTuple):
    """A list of messages or tool specs, as a delta against the previous call's list.

    Attributes:
        items: The list.
        parts: The ranges that the list takes from the previous list, and the new items, in order.
        size: Bytes of the new items' JSON.
    """

    items: Items
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


_canonical = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode


def canonical(encoded: Any) -> bytes:
    """Return the canonical JSON of an encoded value: equal at both ends even if a converter reorders keys."""
    role, text = only_text_of(encoded)
    if text is not None and role in ("user", "assistant"):  # most messages; a tenth of the time
        return f'{{"content":[{{"text":{encode_basestring(text)}}}],"role":"{role}"}}'.encode()
    return _canonical(encoded).encode()


def digest_of(data: bytes) -> bytes:
    """Return the digest of an item's canonical JSON.

    In parts, as long as there are few: `hashlib` gives other threads way for each part of 2 KiB or more, and
    a workflow's thread may wait 5 ms until it runs again.
    """
    if len(data) > _ONE_GO:
        return blake2b(data, digest_size=12).digest()
    digest = blake2b(digest_size=12)
    for start in range(0, len(data), _PART):
        digest.update(data[start : start + _PART])
    return digest.digest()


_PART = 2047
_ONE_GO = 64 * 1024


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


def delta(before: Items, values: Sequence[Any], answer: str = "", call: int = 0) -> Delta:
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
    items = Items()
    parts: list[Part] = []
    size = 0
    at = 0  # where the next item of `before` is expected
    start: int | None = None  # of the open range of kept items, which ends at `at`; else None
    number = 0
    while number < len(values):
        same = before.unchanged(at, values, number)
        if same:
            start = at if start is None else start
            at += same
            number += same
            continue
        value = values[number]
        number += 1
        encoded = encode(value)
        data = canonical(encoded)
        digest = digest_of(data)
        place = before.find(digest)
        if place == at and start is not None:
            at += 1
            continue
        if start is not None:
            parts.append(Kept(start, at))
            items.keep(before, start, at)
            start = None
        if place is not None:
            start, at = place, place + 1
            continue
        items.add(value, digest)
        if digest.hex()[:ANSWER_DIGITS] == answer:
            parts.append(Answer(call))
        else:
            parts.append(New(encoded))
            size += len(data)
    if start is not None:
        parts.append(Kept(start, at))
        items.keep(before, start, at)
    return Delta(items, parts, size)


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


def equal(kept: Any, value: Any) -> bool:
    """Tell whether `==` says so. It is quick, and exact if all leaves of `kept` are text."""
    try:
        return bool(kept == value)
    except Exception:  # noqa: BLE001  # a user's object; what is not JSON is refused later
        return False


def all_of(part: Literal["role", "content"], messages: Sequence[Any]) -> list[Any]:
    """Return one part of each message; what equals nothing if any value is no message."""
    try:
        return list(map(itemgetter(part), messages))
    except (KeyError, TypeError):
        return [object()] * len(messages)


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
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict or isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key: item if type(item) is str else _copy(item) for key, item in items}
    if kind is list or isinstance(value, (list, tuple)):
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


KEPT_BYTES = 100
"""Bytes of JSON of a tool's context from which on a worker keeps it. Its digest takes 27 bytes."""


def held_digest(value: Any) -> str:
    """Return the digest of an encoded value that a workflow holds for a call."""
    return digest_of(canonical(value)).hex()[:WHOLE_DIGITS]
