"""Converts the items of a stream to events of model calls. Only a call's newest attempt counts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadConverter

from ._control import CALL_METADATA, STARTED_METADATA, TIME_METADATA, control_topic, from_control
from ._items import metadata_number, metadata_text
from ._life_types import AgentEvent, ControlEvent, ModelCallStarted, ToolCallDelta
from ._log import Item
from ._model_events import from_model, mapping_at, text_at
from ._pieces import AT_METADATA, MOST_AHEAD, ahead, characters_ahead, piece_of
from ._tails import Tail
from ._types import (
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    MessageEnd,
    OutputLost,
    ReasoningDelta,
    StreamGap,
    TextDelta,
)

_KEPT = 1000  # calls whose places are remembered: pieces of a call may come a little after its end


@dataclass(frozen=True)
class _Attempt:
    """One attempt of a call.

    Attributes:
        number: Temporal's number. Do not sort by it: after an operator has reset the activity it is 1 again.
        started_at: When it started, by the server's clock. Empty from workers of older releases.
    """

    number: int
    started_at: str = ""

    def is_newer_than(self, other: "_Attempt") -> bool:
        if self.started_at and other.started_at:
            return (self.started_at, self.number) > (other.started_at, other.number)
        return self.number > other.number


class Calls:
    """Turns the items of a stream into events.

    One item may give several events. An event counts as read when the reader asks for the next one. So a
    reader that stops after the first of two events gets the second one when it continues.

    Args:
        topic: The agent's topic.
        converter: The client's payload converter.
    """

    def __init__(self, topic: str, converter: PayloadConverter) -> None:
        self._topic = topic
        self._converter = converter
        self._newest: dict[str, _Attempt] = {}
        self._unfinished: set[str] = set()
        self._is_after_gap = False
        self._accounted: set[str] = set()  # calls that began after the last gap, or whose loss is reported
        self._places: dict[str, dict[str, Any]] = {}
        self._tools: dict[str, dict[Any, tuple[str, str]]] = {}
        self._told: dict[str, int] = {}  # characters of each unfinished call that were read
        self._logged: dict[str, int] = {}  # and those of them that the log had
        self._ahead = ""  # the call of which more was read than the log had
        self._resumed = 0

    def resume(self, extra: int) -> None:
        """Continue where another reader was: with a part of a call that the log did not have then."""
        self._resumed = extra

    @property
    def extra(self) -> int:
        """What was read beyond the log, for the reader's position."""
        if self._resumed:
            return self._resumed
        return ahead(self._ahead, self._told[self._ahead] - self._logged[self._ahead]) if self._ahead else 0

    def tail(self, tail: Tail) -> Iterator[AgentEvent]:
        """Yield the event for what is new in a tail, if it continues what was read."""
        known, told = self._newest.get(tail.call), self._told.get(tail.call)
        if (
            tail.topic != self._topic
            or told is None
            or known != _Attempt(tail.attempt, tail.started_at)
            or self._ahead not in ("", tail.call)
            or self._resumed
            or (piece := piece_of(tail.event)) is None
        ):
            return
        stop = tail.at + len(piece.text)
        if not tail.at <= told < stop or stop - self._logged[tail.call] > MOST_AHEAD:
            return
        value = piece.event(piece.text[told - tail.at :])
        event = from_model(value, tail.call, -1) or self._from_tool_use(value, tail.call, -1)
        if event is not None:
            self._ahead, self._told[tail.call] = tail.call, stop
            yield self._placed(event, Item(-1, tail.topic, Payload()))

    def jump(self) -> None:
        """Go on behind a snapshot: what was read beyond the log before is in it."""
        self._told.clear()
        self._logged.clear()
        self._ahead, self._resumed = "", 0

    def gap(self, start: int, stop: int) -> Iterator[AgentEvent]:
        """Yield the events for a gap: the items from `start` to before `stop` are missing."""
        self._is_after_gap = True
        self._accounted.clear()
        yield StreamGap(start, stop, stop - 1)
        for call in sorted(self._unfinished):
            yield _incomplete(call, self._newest[call], stop - 1)
            self._accounted.add(call)
            self._unfinished.discard(call)

    def events(self, item: Item) -> Iterator[AgentEvent]:
        """Yield the events of an item; none if it has a different topic or its attempt was given up."""
        for event in self._events(item):
            yield self._placed(event, item)

    def learn(self, places: Mapping[str, tuple[str, tuple[str, ...], int]]) -> None:
        """Learn the places of calls whose begin is not read."""
        for call, place in places.items():
            self._remember(call, *place)

    def _placed(self, event: AgentEvent, item: Item) -> AgentEvent:
        """Return the event with the place of its call, as the workflow published it."""
        if isinstance(event, ModelCallStarted):
            self._remember(event.call, event.agent, event.path, event.turn)
        call = getattr(event, "call", "")
        place = {} if event.agent else self._places.get(call) or self._places.get(_number(call), {})
        sent_at = event.time or metadata_text(item.payload, TIME_METADATA)
        return replace(event, seq=item.offset, time=sent_at, **place)

    def _remember(self, call: str, agent: str, path: tuple[str, ...], turn: int) -> None:
        # A worker that does not have the run may have told the start before the run's next task, with a time,
        # and so an id, that the call did not get in the end. Its number stays the same.
        for name in (call, _number(call)):
            self._places.pop(name, None)
            self._places[name] = {"agent": agent, "path": path, "turn": turn}
        while len(self._places) > 2 * _KEPT:
            del self._places[next(iter(self._places))]

    def _events(self, item: Item) -> Iterator[AgentEvent]:
        if item.topic == self._topic:
            yield from self._from_model(item)
        elif item.topic == control_topic(self._topic):
            event = from_control(self._value(item), item.offset)
            if isinstance(event, CallStarted):
                yield from self._from_start(event)
            elif isinstance(event, AttemptRestarted):
                yield from self._from_restart(event)
            elif isinstance(event, (AttemptFailed, OutputLost)):
                yield from self._from_attempt(event)
            elif event is not None:
                yield event

    def of_workflow(self, item: Item) -> ControlEvent | None:
        """Return the event of an item that the workflow itself published; None if it is none."""
        if item.topic != control_topic(self._topic) or CALL_METADATA in item.payload.metadata:
            return None
        return from_control(self._value(item), item.offset)

    def time_of(self, item: Item) -> str | None:
        """Return when the workflow published an item; "" if it is not the workflow's, None if not known."""
        if item.topic != control_topic(self._topic) or CALL_METADATA in item.payload.metadata:
            return ""
        value: Any = self._value(item)
        return text_at(value, "time") or None

    def _value(self, item: Item) -> Any:
        """Return the value of an item.

        Raises:
            ValueError: If the client's converter cannot decode it.
        """
        try:
            return self._converter.from_payload(item.payload)
        except Exception as error:  # a converter may raise anything
            raise ValueError(
                f"The item {item.offset} of the stream cannot be decoded ({type(error).__name__}: {error}). "
                "Give the client the data converter of the workflow's workers"
            ) from error

    def _from_model(self, item: Item) -> Iterator[AgentEvent]:
        call, attempt = _identity(item.payload)
        if self._is_given_up(call, attempt):
            return
        yield from self._restarts(call, attempt, item.offset)
        value: Any = self._value(item)
        if isinstance(value, dict) and "messageStart" in value:
            self._accounted.add(call)
        value = self._unread(call, item.payload, value)
        event = from_model(value, call, item.offset) or self._from_tool_use(value, call, item.offset)
        if event is None:
            return
        if self._is_after_gap and call not in self._accounted:
            yield _incomplete(call, attempt, item.offset)
            self._accounted.add(call)
        if isinstance(event, MessageEnd):
            self._unfinished.discard(call)
            self._tools.pop(call, None)
            self._forget(call)
        elif isinstance(event, (TextDelta, ReasoningDelta, ToolCallDelta)):
            self._unfinished.add(call)
        yield event

    def _from_tool_use(self, event: Any, call: str, offset: int) -> ToolCallDelta | None:
        """Return the event for a piece of a tool call's arguments; None if its begin was not read."""
        blocks = self._tools.setdefault(call, {})
        start = mapping_at(event, "contentBlockStart")
        if (use := mapping_at(start, "start", "toolUse")) and (id_ := text_at(use, "toolUseId")):
            blocks[_index(start)] = id_, text_at(use, "name")
            return ToolCallDelta(tool_use_id=id_, name=text_at(use, "name"), call=call, offset=offset)
        delta = mapping_at(event, "contentBlockDelta")
        text = text_at(delta, "delta", "toolUse", "input")
        id_, name = blocks.get(_index(delta), ("", ""))
        if not (text and id_):
            return None
        return ToolCallDelta(tool_use_id=id_, name=name, text=text, call=call, offset=offset)

    def _unread(self, call: str, payload: Payload, value: Any) -> Any:
        """Return the model's event without the characters that were read already; None if all were."""
        piece, at = piece_of(value), metadata_number(payload, AT_METADATA)
        if piece is None or at is None:
            return value
        start, stop = at, at + len(piece.text)
        if start < self._logged.get(call, 0):  # an item that is read again, for the rest of its events
            return value
        told = self._told.get(call, start)
        if (more := characters_ahead(self._resumed, call)) is not None:
            told, self._resumed, self._ahead = start + more, 0, call
        self._told[call], self._logged[call] = max(told, stop), stop
        if self._ahead == call and told <= stop:
            self._ahead = ""
        if told <= start:
            return value
        return piece.event(piece.text[told - start :]) if told < stop else None

    def _forget(self, call: str) -> None:
        """Forget what was read of a call that has ended, or begins again."""
        self._told.pop(call, None)
        self._logged.pop(call, None)
        if self._ahead == call:
            self._ahead = ""
        if characters_ahead(self._resumed, call) is not None:
            self._resumed = 0

    def _from_start(self, event: CallStarted) -> Iterator[AgentEvent]:
        attempt = _Attempt(1, event.started_at)
        known = self._newest.get(event.call)
        if known is None or known == attempt:
            self._begin(event.call, attempt)
            yield event
        elif attempt.is_newer_than(known):  # an operator has reset the activity: numbers start at 1 again
            yield from self._from_restart(
                AttemptRestarted(
                    event.call, 1, event.model, event.activity_id, event.offset, started_at=event.started_at
                )
            )

    def _from_restart(self, event: AttemptRestarted) -> Iterator[AgentEvent]:
        attempt = _Attempt(event.attempt, event.started_at)
        known = self._newest.get(event.call)
        if known is None or attempt.is_newer_than(known):
            self._begin(event.call, attempt)
            yield event

    def _from_attempt(self, event: AttemptFailed | OutputLost) -> Iterator[AgentEvent]:
        attempt = _Attempt(event.attempt, event.started_at)
        if self._is_given_up(event.call, attempt):
            return
        yield from self._restarts(event.call, attempt, event.offset)
        if isinstance(event, AttemptFailed):
            self._unfinished.discard(event.call)
            self._forget(event.call)
        yield event

    def _begin(self, call: str, attempt: _Attempt) -> None:
        self._newest[call] = attempt
        self._tools.pop(call, None)
        self._unfinished.add(call)
        self._accounted.add(call)
        self._forget(call)
        self._told[call] = self._logged[call] = 0

    def _is_given_up(self, call: str, attempt: _Attempt) -> bool:
        """Tell whether the call has a newer attempt. An attempt that was given up may still publish."""
        known = self._newest.setdefault(call, attempt)
        return known.is_newer_than(attempt)

    def _restarts(self, call: str, attempt: _Attempt, offset: int) -> Iterator[AgentEvent]:
        """Yield an `AttemptRestarted` for the newest attempt, if the event that announces it was lost."""
        if attempt.is_newer_than(self._newest[call]):
            yield AttemptRestarted(call, attempt.number, offset=offset, started_at=attempt.started_at)
            self._newest[call] = attempt
            self._accounted.discard(call)
            self._forget(call)


def _number(call: str) -> str:
    """Return the end of a call's id: the number of its agent, and of the call of that agent.

    While a deploy is under way, a call that an older release began may be told under another id.
    """
    return f"-{call.rpartition('-')[2]}"


def _index(block: dict[str, Any]) -> int | None:
    """Return the number of a content block; None if the provider gives none."""
    index = block.get("contentBlockIndex")
    return index if isinstance(index, int) else None


def _incomplete(call: str, attempt: _Attempt, offset: int) -> OutputLost:
    return OutputLost(call, attempt.number, 0, offset, attempt.started_at)


def _identity(payload: Payload) -> tuple[str, _Attempt]:
    """Return the call and the attempt of a model's event."""
    call, _, number = metadata_text(payload, CALL_METADATA).rpartition("/")
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    return call, _Attempt(int(number) if is_number else 0, metadata_text(payload, STARTED_METADATA))
