"""What a reader that comes back has already: it goes on exactly after that, wherever a text was cut.

The first reader may have got a text in pieces, before the log had it. Who reads again gets the same text in
one item, or cut elsewhere. So the text is cut where the reader stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from .._life_types import AgentEvent, ToolCallDelta
from .._pieces import Position as StreamPosition
from .._pieces import characters_ahead, seq_of
from .._types import AttemptFailed, AttemptRestarted, ReasoningDelta, TextDelta
from .sse import Position

_Text: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta

COMPLETE = 999
"""Number of the last AG-UI event of a text: more than an event has."""

ALL = 2**31


@dataclass(frozen=True)
class Part:
    """An event, or a part of its text.

    Attributes:
        event: It.
        given: How many of its AG-UI events the reader has.
        offset: Offset by which a reader comes back.
        beside: See `Position.beside`.
    """

    event: AgentEvent
    given: int
    offset: int
    beside: int


class Given:
    """Tells of each event what a reader does not have yet.

    Args:
        after: The last event that the reader has; None if it has none.
        is_merged: Whether the pieces of texts come beside the workflow's log.
    """

    def __init__(self, after: Position | None, *, is_merged: bool) -> None:
        self._after = after
        self._is_merged = is_merged
        self._there = StreamPosition.of(after.offset + 1) if after else StreamPosition(0)
        self._given_of_own = after.number if after else 0
        self._skipped = 0  # characters that the reader got before the log had them, and that came again

    def parts(self, event: AgentEvent) -> Sequence[Part]:
        """Return the event in parts."""
        after, here = self._after, StreamPosition.of(event.offset + 1)
        if after is None:
            return [_part(event)]
        if self._is_merged:
            return [_part(event, self._given_of_two(after, event, here))]
        if here.log < self._there.log:
            return [_part(event, ALL)]
        if here.log == self._there.log and event.seq >= 0:
            return [_part(event, ALL if after.beside else after.number)]
        return self._cut(after, event)

    def _given_of_two(self, after: Position, event: AgentEvent, here: StreamPosition) -> int:
        """Return how many of the event's AG-UI events a reader has who reads two sources."""
        is_of_log = event.seq >= 0
        there = self._there
        mine, its = (here.log, there.log) if is_of_log else (seq_of(here.extra), seq_of(there.extra))
        if mine == its and is_of_log == (after.beside == 0):
            return after.number
        return ALL if mine <= its else 0

    def _cut(self, after: Position, event: AgentEvent) -> Sequence[Part]:
        """Cut a text that the reader has a part of."""
        call = getattr(event, "call", "")
        ahead = characters_ahead(self._there.extra, call)
        if isinstance(event, (AttemptRestarted, AttemptFailed)) and ahead:
            self._there = StreamPosition(self._there.log)  # the text begins again
        if not isinstance(event, _Text) or ahead is None or self._skipped >= ahead:
            return [_part(event)]
        known = ahead - self._skipped
        own = 0 if after.number >= COMPLETE else min(after.beside, known)
        before, same, rest = _texts(event.text, known - own, known)
        self._skipped += len(before) + len(same)
        parts = [_part(replace(event, text=before), ALL)] if before else []
        if same:
            own_part = _part(replace(event, text=same), self._given_of_own)
            self._given_of_own = 0  # the same event may come in pieces
            if rest:  # who has this has the whole event that was cut
                own_part = replace(own_part, offset=after.offset, beside=after.beside)
            parts.append(own_part)
        return [*parts, _part(replace(event, text=rest))] if rest else parts


def is_text(event: AgentEvent) -> bool:
    """Tell whether an event is a piece of a text, which may be cut."""
    return isinstance(event, _Text)


def _part(event: AgentEvent, given: int = 0) -> Part:
    beside = 0
    if event.seq < 0:
        beside = max(1, len(event.text)) if isinstance(event, _Text) else 1
    return Part(event, given, event.offset, beside)


def _texts(text: str, first: int, second: int) -> tuple[str, str, str]:
    return text[:first], text[first:second], text[second:]
