"""Answers as history stores them: a person can read them, and every event can be restored."""

import json
from typing import Any

import pytest
from hypothesis import given
from inline_snapshot import snapshot
from packages.core.tests.wire.event_streams import streams
from strands.types.streaming import StreamEvent

from strands_temporal._wire.answers import answer_of, events_of
from strands_temporal._wire.events import merge_deltas
from strands_temporal._wire.transcript_parts import New, part_from_wire, part_to_wire
from strands_temporal._wire.transcripts import apply_delta
from strands_temporal._wire.values import encode
from strands_temporal.testing import say, use_tools


def test_the_usual_answer_reads_as_its_text_and_what_it_cost() -> None:
    # On the wire forever: histories contain this form.
    assert answer_of(encode(merge_deltas(say("Hello.").events))) == snapshot(
        {
            "content": [{"text": "Hello."}],
            "usage": "10 in, 5 out, 1 ms",
        }
    )
    calls = merge_deltas(use_tools([("add", {"a": 1}, "t1"), ("now", {}, "t2")]).events)
    assert answer_of(encode(calls)) == snapshot(
        {
            "content": [
                {"toolUse": {"name": "add", "toolUseId": "t1", "input": {"a": 1}}},
                {"toolUse": {"name": "now", "toolUseId": "t2", "input": {}}},
            ],
            "usage": "20 in, 10 out, 1 ms",
        }
    )


@given(streams())
def test_every_event_comes_back(events: list[StreamEvent]) -> None:
    encoded = encode(events)
    assert events_of(json.loads(json.dumps(answer_of(encoded)))) == encoded


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
def test_an_event_that_is_not_quite_usual_comes_back_as_it_was(event: Any) -> None:
    for events in (
        [event],
        [START, event, *END],
        [START, *BLOCK, *BLOCK[:1], event, *BLOCK[2:], *END],
        [START, *BLOCK, END[0], event],
        [START, *BLOCK, event, END[1]],
    ):
        assert events_of(json.loads(json.dumps(answer_of(events)))) == events


START: Any = {"messageStart": {"role": "assistant"}}
BLOCK: list[Any] = [
    {"contentBlockStart": {"start": {}}},
    {"contentBlockDelta": {"delta": {"text": "a"}}},
    {"contentBlockStop": {}},
]
END: list[Any] = [
    {"messageStop": {"stopReason": "end_turn"}},
    {
        "metadata": {
            "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 4},  # the total is not the sum
            "metrics": {"latencyMs": 5},
        }
    },
]


def test_a_total_that_is_not_the_sum_is_written() -> None:
    assert answer_of([START, *BLOCK, *END]) == {
        "content": [{"text": "a"}],
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 4},
        "latencyMs": 5,
    }


def test_a_block_of_another_kind_is_its_events_beside_named_ones() -> None:
    thought: list[Any] = [{"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hm"}}}}, BLOCK[2]]
    answer = answer_of([START, *thought, *BLOCK, *END[:1]])
    assert answer == {"content": [{"events": thought}, {"text": "a"}]}
    assert events_of(answer) == [START, *thought, *BLOCK, *END[:1]]


@pytest.mark.parametrize(
    "given",
    [
        '{"a": 1}',
        '{"a":1}',
        '{"a": 1.0}',
        '{"a": 1e5}',
        '{"a": "é"}',
        '{"a": "\\u00e9"}',
        '{"a": 1, "a": 2}',
        "",
        "[1]",
        "{",
    ],
)
def test_a_tool_input_comes_back_as_the_model_wrote_it(given: str) -> None:
    stop: Any = {"messageStop": {"stopReason": "tool_use"}}
    use: Any = {"contentBlockStart": {"start": {"toolUse": {"name": "add", "toolUseId": "t1"}}}}
    events = [
        START,
        use,
        {"contentBlockDelta": {"delta": {"toolUse": {"input": given}}}},
        BLOCK[2],
        stop,
        END[1],
    ]
    assert events_of(json.loads(json.dumps(answer_of(events)))) == events


@pytest.mark.parametrize("reason", ["tool_use", "end_turn", "max_tokens"])
def test_each_stop_reason_comes_back(reason: str) -> None:
    use: Any = {"contentBlockStart": {"start": {"toolUse": {"name": "add", "toolUseId": "t1"}}}}
    call = [use, {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}}}, BLOCK[2]]
    for blocks in (BLOCK, call, [*BLOCK, *call]):
        events = [START, *blocks, {"messageStop": {"stopReason": reason}}, END[1]]
        assert events_of(answer_of(events)) == events


RESULTS: Any = {"toolResult": {"toolUseId": "t1", "status": "success", "content": [{"text": "sunny"}]}}


def test_results_of_tools_are_sent_by_their_calls() -> None:
    message: Any = {
        "role": "user",
        "content": [RESULTS, {"toolResult": {**RESULTS["toolResult"], "toolUseId": "t2"}}],
    }
    assert part_to_wire(New(message)) == {"results": {"t1": "sunny", "t2": "sunny"}}
    assert part_from_wire(part_to_wire(New(message))) == New(message)


@pytest.mark.parametrize(
    "content",
    [
        [],
        [RESULTS, RESULTS],
        [RESULTS, {"text": "and"}],
        [{"toolResult": {**RESULTS["toolResult"], "status": "error"}}],
        [{"toolResult": {**RESULTS["toolResult"], "content": [{"json": 1}]}}],
        [{"toolResult": {**RESULTS["toolResult"], "content": [{"text": {"$s64": "7bOp"}}]}}],
        [{"toolResult": dict(reversed(RESULTS["toolResult"].items()))}],
        [{**RESULTS, "more": 1}],
        None,
    ],
    ids=repr,
)
def test_other_results_are_sent_as_they_are(content: Any) -> None:
    message = {"role": "user", "content": content}
    assert part_to_wire(New(message)) is message


# Older histories --------------------------------------------------------------------------------------------


def test_an_answer_in_numbers_is_read() -> None:
    assert events_of([0, 1, "Hello.", 2, ["end_turn"], [10, 5, 15, 1]]) == encode(
        merge_deltas(say("Hello.").events)
    )


def test_an_answer_with_its_usage_in_names_is_read() -> None:
    older = {
        "content": [{"toolUse": {"name": "add", "toolUseId": "t1", "input": '{"a": 1}'}}],
        "stopReason": "tool_use",
        "usage": {"inputTokens": 20, "outputTokens": 10},
        "latencyMs": 1,
    }
    assert events_of(older) == encode(
        merge_deltas(
            use_tools(
                [("add", {"a": 1}, "t1")],
            ).events
        )
    )


def test_an_older_call_of_a_tool_without_a_stop_reason_ended_its_turn() -> None:
    older = {"content": [{"toolUse": {"name": "add", "toolUseId": "t1", "input": "{}"}}]}
    for counted in ({}, {"usage": {"inputTokens": 1, "outputTokens": 1}, "latencyMs": 1}):
        assert {"messageStop": {"stopReason": "end_turn"}} in events_of({**older, **counted})


def test_parts_without_names_are_read() -> None:
    parts: list[Any] = [[0, 2], None, "hi", {"role": "assistant", "content": []}]
    assert apply_delta(["a", "b", "c"], map(part_from_wire, parts), "answer", str) == [
        "a",
        "b",
        "answer",
        str({"role": "user", "content": [{"text": "hi"}]}),
        str({"role": "assistant", "content": []}),
    ]


def test_events_that_come_back_are_no_ones_but_the_callers() -> None:
    first, second = events_of([1]), events_of([1])
    first[0]["contentBlockStart"]["start"]["toolUse"] = {}
    assert second == [{"contentBlockStart": {"start": {}}}]


@pytest.mark.parametrize(
    "text",
    [r'{"a": "\ud83d"}', '{"a": NaN}', '{"a": ' + "[" * 150 + "]" * 150 + "}"],
    ids=["half", "nan", "deep"],
)
def test_input_that_not_every_json_library_reads_stays_a_text(text: str) -> None:
    use = {"name": "add", "toolUseId": "t1"}
    events: list[Any] = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockStart": {"start": {"toolUse": use}}},
        {"contentBlockDelta": {"delta": {"toolUse": {"input": text}}}},
        {"contentBlockStop": {}},
        {"messageStop": {"stopReason": "tool_use"}},
    ]
    answer = answer_of(events)
    assert text in [block["toolUse"]["input"] for block in answer["content"] if "toolUse" in block]
    assert events_of(answer) == events
