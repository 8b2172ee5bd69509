"""A reader that comes back gets exactly what it lacks, wherever the texts were cut for it and the next."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import pytest
from ag_ui.core import (
    BaseEvent,
    RunStartedEvent,
    TextMessageContentEvent,
    TextMessageEndEvent,
    TextMessageStartEvent,
)

from strands_temporal_streaming import (
    AgentEvent,
    AttemptRestarted,
    MessageEnd,
    ModelCallStarted,
    RequestStarted,
    TextDelta,
    ToolStarted,
)
from strands_temporal_streaming._pieces import Position as StreamPosition
from strands_temporal_streaming._pieces import ahead, extra_of
from strands_temporal_streaming._web.agui import TurnMapper
from strands_temporal_streaming._web.given import Given
from strands_temporal_streaming._web.sse import Position, Sent
from strands_temporal_streaming._web.turns import Numbered

Cuts: TypeAlias = Sequence[Sequence[int]]
"""For each text, the places at which it is cut."""

TEXTS = ["The answer ", "to your question ", "is 42."]


def in_log(event: AgentEvent, at: int) -> AgentEvent:
    return replace(event, offset=at, seq=at)


def early(text: str, log: int, more: int) -> AgentEvent:
    """A text that a reader got from a heartbeat: `more` characters beyond the log."""
    number = StreamPosition(log, ahead("c", more)).number
    return TextDelta(text, "c", number - 1, seq=-1)


def beside(text: str, log: int, seq: int) -> AgentEvent:
    """A text that came by another transport."""
    return TextDelta(text, "c", StreamPosition(log, seq).number - 1, seq=-1)


def whole() -> list[AgentEvent]:
    """The turn as the log has it."""
    texts = [TextDelta(text, "c") for text in TEXTS]
    all_ = [
        RequestStarted(request="r", turn=1),
        ModelCallStarted(call="c"),
        *texts,
        MessageEnd("end_turn", "c"),
    ]
    return [in_log(event, 7 + i) for i, event in enumerate(all_)]


def with_tails(cuts: Cuts) -> list[AgentEvent]:
    """The turn as a reader gets it that is ahead of the log: each text cut at these places."""
    events: list[AgentEvent] = []
    for event, places in zip(whole(), [(), (), *cuts, ()], strict=True):
        if not isinstance(event, TextDelta):
            events.append(event)
            continue
        for start, stop in zip((0, *places), places, strict=False):
            events.append(early(event.text[start:stop], event.seq, stop))
        rest = event.text[places[-1] if places else 0 :]
        if rest:
            events.append(replace(event, text=rest))
    return events


def merged(order: str, *, is_choosing: bool = False) -> list[AgentEvent]:
    """The turn over another transport, with the log's events and the pieces in this order."""
    log = [
        RequestStarted(request="r", turn=1),
        ModelCallStarted(call="c"),
        ToolStarted(name="look", tool_use_id="u"),
    ]
    logged, pieces, at, seq = iter(log), iter(TEXTS), 7, 20
    events: list[AgentEvent] = []
    for kind in order:
        if kind == "L":
            at += 1
            extra = extra_of(seq, is_choosing=is_choosing)
            event = replace(next(logged), offset=StreamPosition(at, extra).number - 1, seq=at - 1)
        else:
            seq += 1
            event = beside(next(pieces), at, extra_of(seq, is_choosing=is_choosing))
        events.append(event)
    return events


def shown(events: Sequence[AgentEvent], after: Position | None, *, is_merged: bool = False) -> Iterator[Sent]:
    numbered = Numbered(TurnMapper("t", "r"), events[0].offset, given=Given(after, is_merged=is_merged))
    for event in events:
        yield from numbered.sent(event)


def outline(events: Sequence[BaseEvent]) -> tuple[str | int, ...]:
    text = "".join(one.delta for one in events if isinstance(one, TextMessageContentEvent))
    kinds = (RunStartedEvent, TextMessageStartEvent, TextMessageEndEvent)
    return (text, *(sum(isinstance(one, kind) for one in events) for kind in kinds))


CUTS: list[Cuts] = [[(), (), ()], [(4,), (3, 9), (6,)], [(1, 2, 3, 11), (), (2, 5)], [(11,), (17,), (1,)]]


@pytest.mark.parametrize("first", CUTS)
@pytest.mark.parametrize("second", [CUTS[0], [(), (7,), (2,)]])
@pytest.mark.parametrize("third", CUTS[:1])
def test_who_was_ahead_of_the_log_goes_on_exactly(first: Cuts, second: Cuts, third: Cuts) -> None:
    expected = ("".join(TEXTS), 1, 1, 1)
    sent = list(shown(with_tails(first), None))
    assert outline([one.event for one in sent]) == expected
    for i, one in enumerate(sent):
        read = [x.event for x in sent[: i + 1]]
        assert one.position
        kept = second if StreamPosition.of(one.position.offset + 1).log <= 9 else CUTS[0]
        again = list(shown(with_tails(kept), Position.parse(str(one.position))))
        assert outline([*read, *(x.event for x in again)]) == expected, one
        for j, two in enumerate(again):  # and it breaks once more
            more = list(shown(with_tails(third), Position.parse(str(two.position))))
            both = [*read, *(x.event for x in again[: j + 1]), *(x.event for x in more)]
            assert outline(both) == expected, (one, two)


@pytest.mark.parametrize("log_until", [0, 1, 2, 3])
def test_the_log_has_grown_only_a_little_meanwhile(log_until: int) -> None:
    """The second reader is ahead of the log too, at another place."""
    cuts = [(4,), (3, 9), (6,)]
    sent = list(shown(with_tails(cuts), None))
    expected = ("".join(TEXTS), 1, 1, 1)
    for i, one in enumerate(sent):
        place = StreamPosition.of(one.position.offset + 1) if one.position else StreamPosition(0)
        known = max(place.log - 9, log_until)  # texts that the log has by then
        later = [() if k < known else (2, 5) for k in range(3)]
        again = shown(with_tails(later), one.position)
        both = [*(x.event for x in sent[: i + 1]), *(x.event for x in again)]
        assert outline(both) == expected, one


def test_a_text_that_was_read_ahead_and_begins_again_is_not_cut() -> None:
    sent = list(shown(with_tails([(4,), (), ()])[:3], None))  # "The " of the first attempt
    position = sent[-1].position
    restart = in_log(AttemptRestarted("c", 2), 9)
    texts = [in_log(TextDelta("Other words.", "c"), 10), in_log(MessageEnd("end_turn", "c"), 11)]
    again = [x.event for x in shown([*whole()[:2], restart, *texts], position)]
    assert outline(again)[0] == "Other words."


@pytest.mark.parametrize("second", ["LLPPPL", "LLPLPP", "LLLPPP"])
@pytest.mark.parametrize("choosing", [(False, False), (True, False), (False, True)])
def test_two_sources_in_any_order(second: str, choosing: tuple[bool, bool]) -> None:
    sent = list(shown(merged("LLPPLP", is_choosing=choosing[0]), None, is_merged=True))
    text = "".join(TEXTS)
    for i, one in enumerate(sent):
        again = shown(merged(second, is_choosing=choosing[1]), one.position, is_merged=True)
        both = [*(x.event for x in sent[: i + 1]), *(x.event for x in again)]
        assert outline(both)[:2] == (text, 1), one
