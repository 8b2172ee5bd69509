"""Reads one thread's stream as AG-UI events with their positions."""

from collections.abc import Sequence
from dataclasses import replace

from ag_ui.core import BaseEvent

from .._client import AgentStream
from .._life_types import AgentEvent
from .._pieces import Position as StreamPosition
from .._request_types import RequestEnded, RequestStarted, StreamRequest, StreamRequests
from .._types import PendingInterrupt, StreamGap, TurnEnd
from .agui import TurnMapper
from .given import COMPLETE, Given, Part, is_text
from .sse import Position, Sent


class Numbered:
    """Gives the AG-UI events of a turn their positions. Leaves out those that a reader has.

    Args:
        mapper: The turn's mapper.
        start: Offset in the stream at which the turn began.
        first: How many AG-UI events of the first offset were sent by another way.
        given: What the reader has; None if it has nothing.
    """

    def __init__(self, mapper: TurnMapper, start: int, *, first: int = 0, given: Given | None = None) -> None:
        self.mapper = mapper
        self.start = start
        self._offset, self._number = -2, 0
        self._first = first
        self._given = given or Given(None, is_merged=False)

    def sent(self, event: AgentEvent) -> "list[Sent]":
        """Return the AG-UI events of an event."""
        if event.offset != self._offset:
            self._offset, self._number = event.offset, self._first
            self._first = 0
        return [sent for part in self._given.parts(event) for sent in self._of_part(event, part)]

    def _of_part(self, event: AgentEvent, part: Part) -> "list[Sent]":
        before = self._number if part.offset == event.offset else 0
        sent = [
            self._placed(one, part, number)
            for number, one in enumerate(self.mapper.events(part.event), before + 1)
        ]
        self._number += len(sent)
        new = sent[max(0, part.given - before) :]
        if new and is_text(part.event) and (position := new[-1].position):
            # Who has the last event of a text has all of it, also if the next reader gets more events.
            new[-1] = replace(new[-1], position=replace(position, number=COMPLETE))
        return new

    def _placed(self, event: BaseEvent, part: Part, number: int) -> Sent:
        mapper = self.mapper
        position = Position(
            self.start, part.offset, number, mapper.segment, mapper.run, mapper.is_running, part.beside
        )
        return Sent(event, position)


class PausedTurn:
    """A turn that paused, up to the pause that a front end answers.

    Args:
        thread: The thread.
        entry: The turn's request.

    Attributes:
        mapper: Has mapped everything up to the pause.
        offset: Offset in the stream after the pause.
        ended: Whether the turn ended with the pause, so that a new turn takes the answers.
    """

    def __init__(self, thread: str, entry: StreamRequest) -> None:
        self.mapper = TurnMapper(thread, entry.request)
        self.start = entry.offset
        self.offset = -1
        self.ended = False

    def feed(self, events: Sequence[AgentEvent], asked: Sequence[str]) -> bool:
        """Map a turn's events up to its last pause with one of the questions. Tell whether there is one."""
        pauses = [i for i, event in enumerate(events) if isinstance(event, TurnEnd) and _asks(event, asked)]
        if not pauses:
            return False
        for event in events[: pauses[-1] + 1]:
            for _ in self.mapper.events(event):
                pass
        self.offset = events[pauses[-1]].offset + 1
        ends = [event for event in events if isinstance(event, RequestEnded)]
        self.ended = any(event.stop_reason == "interrupt" for event in ends)
        return True


def asks(interrupt: PendingInterrupt, asked: str) -> bool:
    """Tell whether an answer is for an interrupt: it names its id, the question's, or the tool call's."""
    plain = asked.partition("#")[0]
    return interrupt.id in (asked, plain) or f":{plain}:" in interrupt.id


def _asks(event: TurnEnd, asked: Sequence[str]) -> bool:
    return event.stop_reason == "interrupt" and any(
        asks(one, id_) for one in event.interrupts for id_ in asked
    )


async def turn_events(stream: AgentStream, found: StreamRequests, entry: StreamRequest) -> list[AgentEvent]:
    """Return the events of a turn, up to its end or to the present end of the stream."""
    events: list[AgentEvent] = []
    last = found.offset - 1
    if entry.offset > last:
        return events
    async for event in stream:
        events.append(event)
        is_end = isinstance(event, RequestEnded) and event.request == entry.request
        if is_end or log_offset(event.offset) >= last or isinstance(event, StreamGap):
            break
    return events


def log_offset(offset: int) -> int:
    """Return the offset in the workflow's log that an event's `offset` names."""
    return StreamPosition.of(offset + 1).log - 1


def is_start(event: AgentEvent, mapper: TurnMapper | None, turn: int) -> bool:
    """Tell whether an event begins another turn than the mapper's. A message that joins a turn does not."""
    return isinstance(event, RequestStarted) and (mapper is None or mapper.is_over or event.turn != turn)
