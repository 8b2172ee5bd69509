"""The ids of the tool calls in one answer are made unique, event by event."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands.event_loop.streaming import process_stream
from strands.types.streaming import StreamEvent

from strands_temporal._worker.call_ids import UnequalIds
from strands_temporal.testing import use_tools


async def message_of(events: Sequence[StreamEvent]) -> Any:
    """Return the message that Strands makes of a model's events."""

    async def stream() -> AsyncIterator[StreamEvent]:
        for event in events:
            yield event

    async for event in process_stream(stream()):
        if "stop" in event:
            return event["stop"][1]
    raise AssertionError("no message")


def ids_of(message: Any) -> list[Any]:
    return [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]


async def unequal(events: Sequence[StreamEvent]) -> list[Any]:
    ids = UnequalIds()
    return ids_of(await message_of([ids(event) for event in events]))


def asks(*ids: Any) -> Sequence[StreamEvent]:
    """Ask for tools under ids of any type: unlike a script, a server's answer is not checked."""
    events: Any = use_tools([("pay", {"n": n}, f"call {n}") for n in range(len(ids))], text="two").events
    given_ids = iter(ids)
    for event in events:
        if "toolUse" in (start := event.get("contentBlockStart", {}).get("start", {})):
            start["toolUse"]["toolUseId"] = next(given_ids)
    return events


@pytest.mark.parametrize(
    ("given_ids", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a_2", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_2", "a_2_2"]),
        (["a_2", "a", "a"], ["a_2", "a", "a_3"]),
        (["", "x", None, ""], ["x"]),  # plain Strands leaves out a call without an id
        ([7, 7], [7, "7_2"]),
    ],
)
async def test_the_first_keeps_its_id_and_later_ones_get_a_number(given_ids: Any, expected: Any) -> None:
    assert await unequal(asks(*given_ids)) == expected


async def test_an_id_stays_as_short_as_every_provider_takes_it() -> None:
    first, second, third = await unequal(asks(*["x" * 64] * 3))
    assert first == "x" * 64
    assert [len(second), len(third)] == [64, 64]
    assert len({first, second, third}) == 3


async def test_ids_that_come_with_a_delta_too() -> None:
    """Some providers send a call's id with a delta. Strands takes the first id of the block."""

    def block(start: Any, *deltas: Any) -> list[Any]:
        return [
            {"contentBlockStart": {"start": start}},
            *({"contentBlockDelta": {"delta": {"toolUse": delta}}} for delta in deltas),
            {"contentBlockStop": {}},
        ]

    late = block({}, {"input": "{", "toolUseId": "a", "name": "pay"}, {"input": "}", "toolUseId": "a"})
    named = {"toolUse": {"toolUseId": "a", "name": "pay"}}
    both = block(named, {"input": "{}", "toolUseId": "other"})
    events: Any = [{"messageStart": {"role": "assistant"}}, *late, *both, *late]
    events.append({"messageStop": {"stopReason": "tool_use"}})
    assert await unequal(events) == ["a", "a_2", "a_3"]


def test_what_a_provider_keeps_is_not_changed() -> None:
    events = asks("a", "a")
    before = json.dumps(events)
    ids = UnequalIds()
    given_on = [ids(event) for event in events]
    assert json.dumps(events) == before
    assert sum(new is old for new, old in zip(given_on, events, strict=True)) == len(events) - 1


@given(st.lists(st.sampled_from(["", "a", "a_2", "a_2_2", "b", None, 1, "1"]), min_size=1, max_size=6))
async def test_ids_are_unequal_and_nothing_else_is_changed(given_ids: list[Any]) -> None:
    events = asks(*given_ids)
    ids = UnequalIds()
    before, after = await message_of(events), await message_of([ids(event) for event in events])
    assert len(set(map(str, ids_of(after)))) == len(ids_of(before)) == ids.calls
    for block in (*before["content"], *after["content"]):
        block.get("toolUse", {}).pop("toolUseId", None)
    assert before == after
