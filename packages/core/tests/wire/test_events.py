"""A model's events on the wire: merged and written briefly, they mean what the chunks meant."""

import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from packages.core.tests.wire.wire_values import texts
from strands.event_loop.streaming import process_stream
from strands.types.streaming import StreamEvent

from strands_temporal._wire.events import brief, full, merge_deltas
from strands_temporal._wire.values import decode, encode
from strands_temporal.testing import say, use_tools

# Merging --------------------------------------------------------------------------------------------------


def delta(content: dict[str, Any], **others: Any) -> StreamEvent:
    return cast("StreamEvent", {"contentBlockDelta": {"delta": content, **others}})


text_deltas = texts.map(lambda text: delta({"text": text}))
indexed_deltas = st.tuples(texts, st.integers(0, 1)).map(
    lambda pair: delta({"text": pair[0]}, contentBlockIndex=pair[1])
)
# Some providers send a tool's id and name with a delta instead of at the start of the block.
tool_deltas = st.one_of(
    texts.map(lambda text: delta({"toolUse": {"input": text}})),
    st.sampled_from(['{"a": ', "1}", "{}", ""]).map(lambda text: delta({"toolUse": {"input": text}})),
    st.just(delta({"toolUse": {"input": "", "toolUseId": "late-id", "name": "late_name"}})),
    st.just(delta({"toolUse": {}})),
)
reasoning_deltas = st.one_of(
    texts.map(lambda text: delta({"reasoningContent": {"text": text}})),
    texts.map(lambda text: delta({"reasoningContent": {"signature": text}})),
    st.binary(max_size=5).map(lambda data: delta({"reasoningContent": {"redactedContent": data}})),
    st.just(delta({"reasoningContent": {"redactedContent": None}})),
    st.just(delta({"reasoningContent": {"text": "both", "signature": "lost"}})),
    st.just(delta({"reasoningContent": {}})),
)
citation_deltas = st.one_of(
    texts.map(lambda title: delta({"citation": {"title": title, "location": {}}})),
    texts.map(lambda title: delta({"text": title})),
)
any_deltas = text_deltas | indexed_deltas | tool_deltas | reasoning_deltas | citation_deltas


def one_event_of(*choices: Any) -> st.SearchStrategy[StreamEvent]:
    return st.sampled_from([cast("StreamEvent", choice) for choice in choices])


starts = one_event_of(
    {"contentBlockStart": {"start": {}}},
    {"contentBlockStart": {"start": {"toolUse": {"name": "weather", "toolUseId": "t1"}}}},
    {
        "contentBlockStart": {
            "start": {"toolUse": {"name": "signed", "toolUseId": "t2", "reasoningSignature": "s"}}
        }
    },
)
stops = one_event_of({"contentBlockStop": {}})
endings = one_event_of(
    {"messageStop": {"stopReason": "end_turn"}},
    {"messageStop": {"stopReason": "max_tokens"}},
    {"metadata": {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}}},
    {"redactContent": {"redactAssistantContentMessage": "[redacted]"}},
)
kinds_of_deltas = [text_deltas, tool_deltas, reasoning_deltas, any_deltas]


@st.composite
def streams(draw: st.DrawFn) -> list[StreamEvent]:
    stream = [cast("StreamEvent", {"messageStart": {"role": "assistant"}})]
    for _ in range(draw(st.integers(0, 4))):
        stream += draw(st.lists(starts, max_size=1))
        stream += draw(st.lists(draw(st.sampled_from(kinds_of_deltas)), max_size=6))
        stream += draw(st.lists(stops, max_size=1))
    return stream + draw(st.lists(endings, max_size=3))


async def built_by_strands(events: list[StreamEvent]) -> list[Any]:
    """Return what Strands makes of a stream: stop reason, message, usage."""

    async def chunks() -> AsyncIterator[StreamEvent]:
        for event in json.loads(json.dumps(encode(events))):  # Strands writes into what it is given
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
    """Joined two by two, this copies 1 TB."""
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


# Brief ----------------------------------------------------------------------------------------------------


def test_the_usual_answer_is_written_as_its_text_and_a_few_numbers() -> None:
    # On the wire for ever: what is written here is in histories.
    events = encode(merge_deltas(say("Hello.").events))
    assert brief(events) == snapshot([0, 1, "Hello.", 2, ["end_turn"], [10, 5, 15, 1]])
    calls = encode(merge_deltas(use_tools([("add", {"a": 1}, "t1")]).events))
    assert brief(calls) == snapshot(
        [
            0,
            {"contentBlockStart": {"start": {"toolUse": {"name": "add", "toolUseId": "t1"}}}},
            {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"a": 1}'}}}},
            2,
            ["tool_use"],
            [20, 10, 30, 1],
        ]
    )


@given(streams())
def test_what_is_written_briefly_comes_back_whole(events: list[StreamEvent]) -> None:
    encoded = encode(events)
    assert full(json.loads(json.dumps(brief(encoded)))) == encoded


@pytest.mark.parametrize(
    "event",
    [
        {"messageStart": {"role": "assistant", "more": 1}},
        {"messageStart": {"role": "user"}},
        {"contentBlockStart": {"start": {}, "contentBlockIndex": 0}},
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"contentBlockDelta": {"delta": {"text": "a", "more": 1}}},
        {"contentBlockDelta": {"delta": {"text": {"$s64": "7bOp"}}}},
        {"contentBlockDelta": {"delta": {}}},
        {"messageStop": {"stopReason": "end_turn", "additionalModelResponseFields": {}}},
        {"messageStop": {"stopReason": None}},
        {"metadata": {}},
        {"metadata": {"usage": {}, "metrics": {"latencyMs": 1}}},
        {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}},
        {
            "metadata": {
                "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
                "metrics": {"latencyMs": 1.5},
            }
        },
        {
            "metadata": {
                "usage": {"inputTokens": True, "outputTokens": 1, "totalTokens": 2},
                "metrics": {"latencyMs": 1},
            }
        },
        {
            "metadata": {
                "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2, "cacheReadInputTokens": 1},
                "metrics": {"latencyMs": 1, "timeToFirstByteMs": 1},
            }
        },
        {"metadata": {"usage": None, "metrics": None}},
        {},
    ],
    ids=repr,
)
def test_an_event_that_is_not_quite_usual_stays_as_it_is(event: Any) -> None:
    assert brief([event]) == [event]
    assert full([event]) == [event]


def test_events_that_come_back_are_no_ones_but_the_caller_s() -> None:
    first, second = full([1]), full([1])
    first[0]["contentBlockStart"]["start"]["toolUse"] = {}
    assert second == [{"contentBlockStart": {"start": {}}}]
