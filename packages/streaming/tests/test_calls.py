"""A reader turns a stream's items into events: the order of attempts, and gaps. Needs no server."""

from dataclasses import replace
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import DefaultPayloadConverter

from strands_temporal_streaming import (
    AgentEvent,
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    ControlEvent,
    MessageEnd,
    ModelCallStarted,
    OutputLost,
    StreamGap,
    TextDelta,
    ToolCall,
)
from strands_temporal_streaming._calls import Calls
from strands_temporal_streaming._control import to_control
from strands_temporal_streaming._log import Item

CONVERTER = DefaultPayloadConverter()
FIRST, SECOND, THIRD = (f"2026-01-01T00:00:0{second}.000000+00:00" for second in (1, 2, 3))


class Told:
    """A reader of a stream that the test writes item by item."""

    def __init__(self) -> None:
        self.calls = Calls("events", CONVERTER)
        self.offset = 0

    def says(
        self, event: dict[str, Any], number: int, started: str = "", call: str = "c"
    ) -> list[AgentEvent]:
        payload = CONVERTER.to_payloads([event])[0]
        payload.metadata["strands-call"] = f"{call}/{number}".encode()
        if started:
            payload.metadata["strands-attempt-started"] = started.encode()
        return self._item("events", payload)

    def text(self, text: str, number: int, started: str = "", call: str = "c") -> list[AgentEvent]:
        return self.says({"contentBlockDelta": {"delta": {"text": text}}}, number, started, call)

    def ends(self, number: int, started: str = "", call: str = "c") -> list[AgentEvent]:
        return self.says({"messageStop": {"stopReason": "end_turn"}}, number, started, call)

    def control(self, event: ControlEvent) -> list[AgentEvent]:
        return self._item("events.control", CONVERTER.to_payloads([to_control(event)])[0])

    def gap(self, items: int) -> list[AgentEvent]:
        start, self.offset = self.offset, self.offset + items
        return bare(list(self.calls.gap(start, self.offset)))

    def _item(self, topic: str, payload: Payload) -> list[AgentEvent]:
        item = Item(self.offset, topic, payload)
        self.offset += 1
        events = list(self.calls.events(item))
        assert [event.offset for event in events] == [item.offset] * len(events)
        return bare(events)


def bare(events: list[AgentEvent]) -> list[AgentEvent]:
    return [replace(event, offset=-1) for event in events]


# --- Places


def test_a_piece_has_the_place_of_its_call_by_its_number_too() -> None:
    """While a deploy is under way, a call that an older release began may be told under another id."""
    told = Told()
    path = ("node:r", "node:deep")
    told.control(ModelCallStarted(call="1a22ca9939c-2.1", agent="deep", path=path, turn=3))
    (piece,) = told.text("a", 1, call="1a22ca995fc-2.1")
    assert (piece.agent, piece.path, piece.turn) == ("deep", path, 3)
    (other,) = told.text("a", 1, call="1a22ca995fc-3.1")
    assert (other.agent, other.path) == ("", ())


# --- The order of attempts


def test_an_attempt_counts_from_its_start_whatever_its_number() -> None:
    told = Told()
    told.control(CallStarted("c", started_at=FIRST))
    assert told.text("a", 1, FIRST) == [TextDelta("a", "c")]
    assert told.control(AttemptRestarted("c", 2, started_at=SECOND)) == [
        AttemptRestarted("c", 2, started_at=SECOND)
    ]
    assert told.text("b", 2, SECOND) == [TextDelta("b", "c")]
    # An operator resets the activity, which is then at attempt 1 again.
    assert told.control(AttemptRestarted("c", 1, started_at=THIRD)) == [
        AttemptRestarted("c", 1, started_at=THIRD)
    ]
    assert told.text("c", 1, THIRD) == [TextDelta("c", "c")]
    for late in (
        told.text("late", 1, FIRST),
        told.text("late", 2, SECOND),
        told.control(AttemptFailed("c", 2, "Late", started_at=SECOND)),
        told.control(OutputLost("c", 2, 1, started_at=SECOND)),
        told.control(AttemptRestarted("c", 2, started_at=SECOND)),
        told.control(CallStarted("c", started_at=FIRST)),
    ):
        assert late == []
    assert told.ends(1, THIRD) == [MessageEnd("end_turn", "c")]


def test_a_reset_before_any_retry_is_told_as_a_restart() -> None:
    told = Told()
    told.control(CallStarted("c", "claude", "5", started_at=FIRST))
    told.text("a", 1, FIRST)
    assert told.control(CallStarted("c", "claude", "5", started_at=SECOND)) == [
        AttemptRestarted("c", 1, "claude", "5", started_at=SECOND)
    ]


@pytest.mark.parametrize(
    ("event", "also"),
    [
        (AttemptFailed("c", 2, "E", started_at=SECOND), AttemptFailed("c", 2, "E", started_at=SECOND)),
        (OutputLost("c", 2, 1, started_at=SECOND), OutputLost("c", 2, 1, started_at=SECOND)),
    ],
)
def test_where_its_mark_is_lost_an_attempts_first_event_tells_that_it_began(
    event: ControlEvent, also: AgentEvent
) -> None:
    told = Told()
    told.text("a", 1, FIRST)
    assert told.control(event) == [AttemptRestarted("c", 2, started_at=SECOND), also]
    told = Told()
    told.text("a", 1, FIRST)
    assert told.text("b", 2, SECOND) == [AttemptRestarted("c", 2, started_at=SECOND), TextDelta("b", "c")]
    assert told.control(AttemptRestarted("c", 2, started_at=SECOND)) == []


def test_events_of_older_releases_are_ordered_by_number() -> None:
    told = Told()
    assert told.control(CallStarted("c")) == [CallStarted("c")]
    told.text("a", 1)
    assert told.control(AttemptRestarted("c", 2)) == [AttemptRestarted("c", 2)]
    assert told.text("late", 1) == []
    assert told.text("b", 2) == [TextDelta("b", "c")]


@pytest.mark.parametrize(
    ("before", "after"), [("", SECOND), (FIRST, "")], ids=["old then new", "new then old"]
)
def test_workers_of_two_releases_may_serve_one_call(before: str, after: str) -> None:
    told = Told()
    told.text("a", 1, before)
    assert told.control(AttemptRestarted("c", 2, started_at=after)) == [
        AttemptRestarted("c", 2, started_at=after)
    ]
    assert told.text("b", 2, after) == [TextDelta("b", "c")]
    assert told.text("late", 1, before) == []


# --- Gaps


def test_a_gap_tells_its_range_and_the_calls_that_it_hits() -> None:
    told = Told()
    told.control(CallStarted("c", started_at=FIRST))
    told.text("the begin", 1, FIRST)
    told.text("whole", 1, FIRST, "whole")
    told.ends(1, FIRST, "whole")
    assert told.gap(4) == [StreamGap(4, 8), OutputLost("c", 1, 0, started_at=FIRST)]
    # The event has the offset of the last missing item: a reader that stores it resumes after the gap.
    assert next(told.calls.gap(8, 10)).offset == 9


def test_a_call_that_goes_on_behind_the_gap_is_told_once() -> None:
    told = Told()
    told.text("the beg", 1, FIRST)
    told.gap(4)
    assert told.text("the end", 1, FIRST) == [TextDelta("the end", "c")]
    assert told.ends(1, FIRST) == [MessageEnd("end_turn", "c")]


@pytest.mark.parametrize("last", ["text", "ends"])
def test_a_call_that_began_in_the_gap_is_told_where_it_is_heard(last: str) -> None:
    told = Told()
    told.gap(4)
    lost = OutputLost("c", 1, 0, started_at=FIRST)
    if last == "text":
        assert told.text("the end", 1, FIRST) == [lost, TextDelta("the end", "c")]
        assert told.ends(1, FIRST) == [MessageEnd("end_turn", "c")]
    else:
        assert told.ends(1, FIRST) == [lost, MessageEnd("end_turn", "c")]


def test_what_begins_behind_the_gap_is_whole() -> None:
    told = Told()
    told.text("the beg", 1, FIRST)
    told.gap(4)
    told.control(AttemptRestarted("c", 2, started_at=SECOND))
    assert told.text("all of it", 2, SECOND) == [TextDelta("all of it", "c")]
    assert told.control(CallStarted("next", started_at=THIRD)) == [CallStarted("next", started_at=THIRD)]
    assert told.text("next", 1, THIRD, "next") == [TextDelta("next", "next")]
    # Its first event may arrive without its mark.
    assert told.says({"messageStart": {"role": "assistant"}}, 1, THIRD, "third") == []
    assert told.text("third", 1, THIRD, "third") == [TextDelta("third", "third")]


def test_an_attempt_whose_beginning_is_in_the_gap_is_incomplete() -> None:
    told = Told()
    told.text("one", 1, FIRST)
    told.gap(4)
    assert told.text("two, the end", 2, SECOND) == [
        AttemptRestarted("c", 2, started_at=SECOND),
        OutputLost("c", 2, 0, started_at=SECOND),
        TextDelta("two, the end", "c"),
    ]


def test_a_second_gap_hits_calls_again() -> None:
    told = Told()
    told.gap(4)
    told.text("a", 1, FIRST)
    assert told.gap(2)[1:] == [OutputLost("c", 1, 0, started_at=FIRST)]
    told.ends(1, FIRST)
    assert told.gap(2)[1:] == []


def test_what_belongs_to_no_call_is_told_as_it_is() -> None:
    told = Told()
    told.gap(1)
    assert told.control(ToolCall("search", "t-1", {}, "helper")) == [ToolCall("search", "t-1", {}, "helper")]
    assert told._item("other", CONVERTER.to_payloads(["?"])[0]) == []  # pyright: ignore[reportPrivateUsage]
