"""A model's events on the wire: merged and compact, they mean the same as the chunks."""

import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from hypothesis import given
from packages.core.tests.wire.event_streams import delta, streams
from strands.event_loop.streaming import process_stream
from strands.types.streaming import StreamEvent

from strands_temporal._wire.events import merge_deltas
from strands_temporal._wire.values import decode, encode
from strands_temporal.testing import say, use_tools

# Merging --------------------------------------------------------------------------------------------------


async def built_by_strands(events: list[StreamEvent]) -> list[Any]:
    """Return Strands' result of a stream: stop reason, message, usage."""

    async def chunks() -> AsyncIterator[StreamEvent]:
        for event in json.loads(json.dumps(encode(events))):  # a copy, because Strands changes its input
            yield decode(event)

    stops = [event["stop"] async for event in process_stream(chunks()) if "stop" in event]
    (stop,) = stops
    return list(cast("tuple[Any, ...]", stop)[:3])


@given(streams())
async def test_strands_builds_the_same_message_from_merged_and_unmerged_events(
    events: list[StreamEvent],
) -> None:
    merged = merge_deltas(events)
    assert await built_by_strands(merged) == await built_by_strands(events)
    assert len(merged) <= len(events)
    assert merge_deltas(merged) == merged


@given(streams())
def test_merging_leaves_its_input_alone(events: list[StreamEvent]) -> None:
    before = json.dumps(encode(events))
    merge_deltas(events)
    assert json.dumps(encode(events)) == before


def test_an_answer_of_500_chunks_becomes_one_delta() -> None:
    reply = say("x" * 500, chunk=1)
    assert len(reply.events) == 505
    merged = merge_deltas(reply.events)
    assert [next(iter(event)) for event in merged] == [
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert merged[2] == delta({"text": "x" * 500})


@pytest.mark.timeout(30)
def test_a_very_long_answer_is_merged_in_time_that_grows_with_it() -> None:
    """Joining pairs one after another would copy 1 TB."""
    events = [delta({"text": "x" * 50}) for _ in range(200_000)]
    (merged,) = merge_deltas(events)
    assert len(cast("Any", merged)["contentBlockDelta"]["delta"]["text"]) == 10_000_000


def test_deltas_of_each_kind_merge_within_their_block_only() -> None:
    reply = use_tools([("a", {"n": 100}, "1"), ("b", {"n": 200}, "2")], chunk=1)
    inputs = [
        event["contentBlockDelta"].get("delta")
        for event in merge_deltas(reply.events)
        if "contentBlockDelta" in event
    ]
    assert inputs == [{"toolUse": {"input": '{"n": 100}'}}, {"toolUse": {"input": '{"n": 200}'}}]
    thoughts = [
        delta({"reasoningContent": {"text": "a"}}),
        delta({"reasoningContent": {"text": "b"}}),
        delta({"reasoningContent": {"signature": "c"}}),
        delta({"reasoningContent": {"signature": "d"}}),
        delta({"reasoningContent": {"redactedContent": b"e"}}),
        delta({"reasoningContent": {"redactedContent": b"f"}}),
    ]
    assert merge_deltas(thoughts) == [
        delta({"reasoningContent": {"text": "ab"}}),
        delta({"reasoningContent": {"signature": "cd"}}),
        delta({"reasoningContent": {"redactedContent": b"ef"}}),
    ]


def test_citations_and_deltas_of_another_index_stay_apart() -> None:
    events = [
        delta({"citation": {"title": "one"}}),
        delta({"citation": {"title": "two"}}),
        delta({"text": "a"}, contentBlockIndex=0),
        delta({"text": "b"}, contentBlockIndex=1),
    ]
    assert merge_deltas(events) == events
