"""Pieces of what a model writes: which ones may be merged, how they are counted, where one is cut.

A worker merges adjacent pieces of one content block before it sends them. Each piece names its start in the
attempt, counted in characters over all pieces. So a reader that got a part of a piece early, or the same
characters twice, yields each character once.
"""

import zlib
from dataclasses import dataclass
from typing import Any, cast

AT_METADATA = "strands-at"
"""Payload metadata of a piece: the number of characters of the attempt before it."""

_PATHS = (("text",), ("reasoningContent", "text"), ("toolUse", "input"))
_BLOCK_KEYS = frozenset({"delta", "contentBlockIndex"})


@dataclass(frozen=True)
class Piece:
    """A `contentBlockDelta` with nothing but text in it.

    Attributes:
        path: Where the text is in the delta.
        block: Number of the content block, None if the provider gives none.
        text: The text.
    """

    path: tuple[str, ...]
    block: Any
    text: str

    def continues(self, other: "Piece") -> bool:
        """Whether the two can be one piece."""
        return self.path == other.path and self.block == other.block

    def event(self, text: str | None = None) -> dict[str, Any]:
        """Return the model's event, with another text if one is given."""
        delta: Any = self.text if text is None else text
        for key in reversed(self.path):
            delta = {key: delta}
        place = {} if self.block is None else {"contentBlockIndex": self.block}
        return {"contentBlockDelta": {**place, "delta": delta}}


def piece_of(event: Any) -> Piece | None:
    """Return the piece that a model's event is; None if it is none, or has more than a text."""
    if not isinstance(event, dict) or len(cast("dict[str, Any]", event)) != 1:
        return None
    block: Any = cast("dict[str, Any]", event).get("contentBlockDelta")
    if not isinstance(block, dict) or not _BLOCK_KEYS.issuperset(cast("dict[str, Any]", block)):
        return None
    fields = cast("dict[str, Any]", block)
    for path in _PATHS:
        value: Any = fields.get("delta")
        for key in path:
            value = cast("dict[str, Any]", value).get(key) if _is_single(value) else None
        if isinstance(value, str) and value:
            return Piece(path, fields.get("contentBlockIndex"), value)
    return None


def _is_single(value: Any) -> bool:
    return isinstance(value, dict) and len(cast("dict[str, Any]", value)) == 1


_LOG_BITS, _AHEAD_BITS, _TAG_BITS = 28, 16, 9

MOST_AHEAD = (1 << _AHEAD_BITS) - 1
"""Characters of a call that a reader may get before the log has them."""


@dataclass(frozen=True)
class Position:
    """Where a reader is: what `AgentStream.offset` and the events' `offset` stand for.

    As a number it is the offset in the workflow's log. Where a reader got more than the log has, the bits
    above tell how much more. Together they are less than 2**53, so every JSON reader keeps them.

    Attributes:
        log: Offset of the next item of the workflow's log.
        extra: What `ahead` returns, or `extra_of` with another transport.
    """

    log: int
    extra: int = 0

    @property
    def number(self) -> int:
        """The position as a number. An event's `offset` is 1 less than that of the position after it."""
        return self.log + (self.extra << _LOG_BITS)

    @classmethod
    def of(cls, number: int) -> "Position":
        """Return the position of a number."""
        return cls(number & ((1 << _LOG_BITS) - 1), number >> _LOG_BITS)


def extra_of(seq: int, *, is_choosing: bool) -> int:
    """Return the `extra` of a reader of another transport.

    Args:
        seq: The next sequence number.
        is_choosing: Whether pieces from there on may belong to calls that ended before the reader began.
    """
    return (seq << 1) + is_choosing


def seq_of(extra: int) -> int:
    """Return the sequence number of `extra_of`."""
    return extra >> 1


def ahead(call: str, characters: int) -> int:
    """Return the `extra` of a reader that has `characters` of `call` that the log does not have."""
    return characters + (_tag(call) << _AHEAD_BITS) if characters else 0


def characters_ahead(extra: int, call: str) -> int | None:
    """Return the characters of `extra` if it is about `call`, else None."""
    return extra & MOST_AHEAD if extra and extra >> _AHEAD_BITS == _tag(call) else None


def _tag(call: str) -> int:
    return zlib.crc32(call.encode("utf-8", "replace")) & ((1 << _TAG_BITS) - 1)
