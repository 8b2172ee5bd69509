"""Reads one thread's stream as AG-UI events with their positions."""

from collections.abc import Sequence

from ag_ui.core import BaseEvent
from temporalio.client import Client

from .._client import AgentStream
from .._life_types import AgentEvent
from .._request_types import RequestEnded, RequestStarted, StreamRequest, StreamRequests
from .._types import PendingInterrupt, StreamGap, TurnEnd
from .agui import TurnMapper
from .sse import Position, Sent


class Numbered:
    """Gives the AG-UI events of a turn their positions.

    Args:
        mapper: The turn's mapper.
        start: Offset in the stream at which the turn began.
        given: How many events the reader already has of those of the first offset.
    """

    def __init__(self, mapper: TurnMapper, start: int, given: int = 0) -> None:
        self.mapper = mapper
        self.start = start
        self._offset, self._number = -2, 0
        self._given = given

    def sent(self, event: AgentEvent) -> "list[Sent]":
        """Return the AG-UI events of an event."""
        if event.offset != self._offset:
            self._offset, self._number = event.offset, self._given
            self._given = 0
        return [self._placed(one) for one in self.mapper.events(event)]

    def _placed(self, event: BaseEvent) -> Sent:
        self._number += 1
        mapper = self.mapper
        position = Position(
            self.start, self._offset, self._number, mapper.segment, mapper.run, mapper.is_running
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


async def turn_events(
    client: Client, thread: str, found: StreamRequests, entry: StreamRequest
) -> list[AgentEvent]:
    """Return the events of a turn, up to its end or to the present end of the stream."""
    events: list[AgentEvent] = []
    last = found.offset - 1
    if entry.offset > last:
        return events
    stream = AgentStream(client, thread, topic=found.topic, from_offset=entry.offset)
    async for event in stream:
        events.append(event)
        is_end = isinstance(event, RequestEnded) and event.request == entry.request
        if is_end or event.offset >= last or isinstance(event, StreamGap):
            break
    return events


def is_start(event: AgentEvent, mapper: TurnMapper | None, turn: int) -> bool:
    """Tell whether an event begins another turn than the mapper's. A message that joins a turn does not."""
    return isinstance(event, RequestStarted) and (mapper is None or mapper.is_over or event.turn != turn)
