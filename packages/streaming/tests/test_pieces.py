"""Pieces are merged, counted and cut so that a reader gets each character once. Needs no server."""

from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import DefaultPayloadConverter

from strands_temporal_streaming import AttemptRestarted, CallStarted, TextDelta
from strands_temporal_streaming._calls import Calls
from strands_temporal_streaming._control import to_control
from strands_temporal_streaming._life_types import ControlEvent
from strands_temporal_streaming._log import Item
from strands_temporal_streaming._outgoing import MAX_BATCH_BYTES, Outgoing
from strands_temporal_streaming._pieces import Position
from strands_temporal_streaming._tails import Tail

CONVERTER = DefaultPayloadConverter()


def delta(text: str, block: int | None = None) -> dict[str, Any]:
    place = {} if block is None else {"contentBlockIndex": block}
    return {"contentBlockDelta": {**place, "delta": {"text": text}}}


def sent(*events: dict[str, Any]) -> list[tuple[Any, str]]:
    """Return what a worker sends for the events: each with its place in the attempt."""
    outgoing = Outgoing(CONVERTER, "events", {})
    for event in events:
        outgoing.add(event)
    items: list[tuple[Any, str]] = []
    while len(outgoing):
        batch = outgoing.take()
        assert (
            sum(payload.ByteSize() for _, payload in batch.items) <= MAX_BATCH_BYTES or len(batch.items) == 1
        )
        items += [
            (CONVERTER.from_payload(payload), payload.metadata.get("strands-at", b"").decode())
            for _, payload in batch.items
        ]
    return items


def test_adjacent_texts_of_one_block_become_one() -> None:
    thought: dict[str, Any] = {"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hm"}}}}
    signed: dict[str, Any] = {"contentBlockDelta": {"delta": {"reasoningContent": {"signature": "s"}}}}
    stop: dict[str, Any] = {"contentBlockStop": {}}
    tool: dict[str, Any] = {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"a'}}}}
    rest: dict[str, Any] = {"contentBlockDelta": {"delta": {"toolUse": {"input": '": 1}'}}}}
    assert sent(thought, thought, signed, delta("a"), delta("b"), stop, delta("c", 1), delta("d", 2)) == [
        ({"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hmhm"}}}}, "0"),
        (signed, ""),
        (delta("ab"), "4"),
        (stop, ""),
        (delta("c", 1), "6"),
        (delta("d", 2), "7"),
    ]
    assert sent(tool, rest) == [({"contentBlockDelta": {"delta": {"toolUse": {"input": '{"a": 1}'}}}}, "0")]


def test_a_long_text_stays_in_pieces_that_fit_into_a_batch() -> None:
    items = sent(*(delta("\x01" * 1000) for _ in range(1000)))  # six bytes of JSON for each character
    assert "".join(event["contentBlockDelta"]["delta"]["text"] for event, _ in items) == "\x01" * 1_000_000
    assert [at for _, at in items] == [str(32_000 * number) for number in range(len(items))]


class Reader:
    """A reader of a log and of tails that the test writes."""

    def __init__(self, extra: int = 0) -> None:
        self.calls = Calls("events", CONVERTER)
        self.calls.resume(extra)
        self.text = ""

    def control(self, event: ControlEvent) -> None:
        self._read(
            self.calls.events(Item(0, "events.control", CONVERTER.to_payloads([to_control(event)])[0]))
        )

    def item(self, at: int, text: str, call: str = "c", attempt: int = 1) -> None:
        payload: Payload = CONVERTER.to_payloads([delta(text)])[0]
        payload.metadata["strands-call"] = f"{call}/{attempt}".encode()
        payload.metadata["strands-at"] = str(at).encode()
        self._read(self.calls.events(Item(0, "events", payload)))

    def tail(self, at: int, text: str, call: str = "c", attempt: int = 1) -> None:
        self._read(self.calls.tail(Tail("events", call, attempt, "", at, delta(text), 50)))

    def _read(self, events: Any) -> None:
        for event in events:
            self.text += event.text if isinstance(event, TextDelta) else f"<{type(event).__name__}>"


def test_what_a_tail_told_is_not_told_again() -> None:
    reader = Reader()
    reader.control(CallStarted("c"))
    reader.item(0, "abc")
    reader.tail(3, "de")
    reader.tail(3, "def")
    reader.tail(3, "de")  # an old one
    reader.tail(9, "jk")  # it does not continue what was read: the log has more
    reader.item(3, "defghi")
    reader.tail(9, "jk")
    reader.item(9, "jkl")
    assert reader.text == "<CallStarted>abcdefghijkl"
    assert reader.calls.extra == 0


def test_a_new_attempt_begins_at_its_own_start() -> None:
    reader = Reader()
    reader.control(CallStarted("c"))
    reader.item(0, "abc")
    reader.tail(3, "def")
    reader.control(AttemptRestarted("c", 2))
    reader.tail(3, "def", attempt=1)
    reader.tail(0, "AB", attempt=2)
    reader.item(0, "ABC", attempt=2)
    assert reader.text == "<CallStarted>abcdef<AttemptRestarted>ABC"


def test_two_calls_at_once_are_told_apart() -> None:
    reader = Reader()
    for call in ("c", "d"):
        reader.control(CallStarted(call))
    reader.tail(0, "ab", "c")
    reader.tail(0, "xy", "d")  # waits: a position tells of one call only
    reader.item(0, "xy", "d")
    reader.item(0, "abc", "c")
    assert reader.text == "<CallStarted><CallStarted>abxyc"


@pytest.mark.parametrize("told", range(7))
def test_a_position_in_the_middle_of_a_piece_is_where_the_next_reader_goes_on(told: int) -> None:
    first = Reader()
    first.control(CallStarted("c"))
    first.item(0, "abc")
    if told:
        first.tail(3, "defghi"[:told])
    position = Position.of(Position(5, first.calls.extra).number)
    assert position.log == 5
    second = Reader(position.extra)
    second.item(0, "other", "another call")
    second.item(3, "defghi")
    assert second.text == f"other{'defghi'[told:]}"
    assert second.calls.extra == 0


def test_a_position_is_forgotten_when_its_call_begins_again() -> None:
    first = Reader()
    first.control(CallStarted("c"))
    first.tail(0, "abc")
    second = Reader(first.calls.extra)
    second.control(AttemptRestarted("c", 2))
    second.item(0, "xyz", attempt=2)
    assert second.text == "<AttemptRestarted>xyz"


def test_a_position_without_early_text_is_the_logs_offset() -> None:
    assert Position(12345).number == 12345
    assert Position.of(12345) == Position(12345)
    assert Position(2**28 - 1, 2**25 - 1).number < 2**53  # JavaScript keeps it
