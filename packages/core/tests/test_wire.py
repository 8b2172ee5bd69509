"""Values on the wire: what goes in comes out, and merged deltas mean what the chunks meant."""

import json
from collections.abc import AsyncIterator
from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from strands.event_loop.streaming import process_stream
from strands.types.streaming import StreamEvent
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from strands_temporal._types import ModelCall, ModelFacts, ModelResult, OutputSchema, Transcript
from strands_temporal._events import brief, full, merge_deltas
from strands_temporal._wire import decode, encode, is_json
from strands_temporal.testing import say, use_tools

CONVERTERS = [DataConverter.default, pydantic_data_converter]

# Text is whatever Python calls text: a file name that is not UTF-8 holds half a surrogate pair.
texts = st.text(max_size=20) | st.text(st.characters(categories=["Cs"]), max_size=2)
keys_of_dicts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
keys = st.one_of(
    st.sampled_from(["$b64", "$$b64", "$$$b64", "$s64", "$$s64", "$", "b64", "$b64 "]), keys_of_dicts
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.binary(max_size=20)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)

tagged_lookalikes: list[Any] = [
    {"$b64": "aGVsbG8="},
    {"$b64": b"hello"},
    {"$$b64": "aGVsbG8="},
    {"$$$b64": {"$b64": {"$$b64": None}}},
    {"$b64": "not base64!"},
    {"$b64": 1, "other": b""},
    {"$s64": "aGVsbG8="},
    {"$$s64": {"$s64": "caf\udce9"}},
]


# Encoding -------------------------------------------------------------------------------------------------


@given(values)
def test_every_json_value_with_bytes_survives_json(value: Any) -> None:
    assert decode(json.loads(json.dumps(encode(value)))) == value


@pytest.mark.parametrize("value", tagged_lookalikes, ids=repr)
def test_a_dict_that_looks_like_tagged_bytes_stays_a_dict(value: Any) -> None:
    assert decode(json.loads(json.dumps(encode(value)))) == value


def test_bytes_are_tagged_and_never_left_as_they_are() -> None:
    assert encode({"image": b"\x00\xff"}) == {"image": {"$b64": "AP8="}}
    assert encode([bytearray(b"a"), memoryview(b"b")]) == [{"$b64": "YQ=="}, {"$b64": "Yg=="}]


@pytest.mark.parametrize("converter", CONVERTERS, ids=["default", "pydantic"])
@given(value=values)
@example(value=tagged_lookalikes)
@example(value=2**70)
@example(value=float("inf"))
async def test_values_survive_both_payload_converters_as_fields_of_the_wire_types(
    converter: DataConverter, value: Any
) -> None:
    call = ModelCall(
        "claude",
        Transcript(messages=[encode(value)], tool_specs=[encode(value)]),
        tool_choice=encode(value),
        invocation_state={"state": encode(value)},
        model_state={"state": encode(value)},
    )
    result = ModelResult(events=[encode(value)], model_state={"state": encode(value)})
    payloads = await converter.encode([call, result])
    back_call, back_result = await converter.decode(payloads, [ModelCall, ModelResult])
    assert back_call == call
    assert back_result == result
    for found in (
        back_call.transcript.messages[0],
        back_call.transcript.tool_specs[0],
        back_call.tool_choice,
        back_call.invocation_state["state"],
        back_call.model_state["state"],
        back_result.events[0],
        back_result.model_state["state"],
    ):
        assert decode(found) == value


class Custom:
    """Not JSON."""


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Custom(), "A Custom cannot cross"),
        ({"deep": [{"er": {1, 2}}]}, "A set cannot cross"),
        ((1, object()), "A object cannot cross"),
        ({1: "one"}, "The key 1 cannot cross"),
        ({"caf\udce9": 1}, "The key 'caf.udce9' cannot cross"),
        ({b"k": "bytes key"}, "The key b'k' cannot cross"),
    ],
)
def test_what_is_not_json_is_refused_by_a_type_error_that_names_it(value: Any, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        encode(value)
    assert not is_json(value)


def test_is_json_refuses_what_json_has_no_word_for() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert not is_json(endless)
    assert not is_json(float("nan"))
    assert not is_json({"deep": [float("inf")]})
    assert is_json({"text": "ü", "bytes": b"\xff", "list": [1, None, True, 1.5]})


@given(values)
def test_encoding_copies(value: Any) -> None:
    before = repr(value)
    encoded = encode(value)
    if isinstance(encoded, dict):
        encoded["added"] = 1
    if isinstance(encoded, list):
        cast("list[Any]", encoded).append(1)
    assert repr(value) == before


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


# Wire types -----------------------------------------------------------------------------------------------

FULL_CALL = ModelCall(
    model="claude",
    transcript=Transcript(
        messages=encode([{"role": "user", "content": [{"image": {"source": {"bytes": b"\x00png"}}}]}]),
        tool_specs=[{"name": "weather", "description": "Weather.", "inputSchema": {"json": {}}}],
        system_prompt="Be brief.",
        system_blocks=[{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
    ),
    tool_choice={"auto": {}},
    invocation_state={"tenant": "acme"},
    model_state={"response_id": "r1"},
    session_id="s1",
    dynamic_trailing_blocks=1,
    config={"temperature": 0.5},
    facts=True,
    output=OutputSchema("City", "A city.", {"type": "object", "properties": {}}, ["country"]),
    own_structured_output=True,
)
FULL_RESULT = ModelResult(
    events=encode(merge_deltas(say("hello").events)),
    model_state={"response_id": "r2"},
    first_chunk_ms=7,
    duration_ms=9,
    facts=ModelFacts(
        stateful=True, context_window_limit=8000, config={"model_id": "m"}, structured_output=True
    ),
    invocation_state={"cost": 3},
    invocation_state_removed=["secret"],
    output={"name": "Bern"},
)


@pytest.mark.parametrize(
    "value", [FULL_CALL, FULL_CALL.transcript, FULL_RESULT], ids=lambda v: type(v).__name__
)
def test_wire_types_are_frozen(value: Any) -> None:
    for name in value.__dataclass_fields__:
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)


async def as_json(converter: DataConverter, value: Any) -> Any:
    (payload,) = await converter.encode([value])
    return json.loads(payload.data)


@pytest.mark.parametrize("converter", CONVERTERS, ids=["default", "pydantic"])
async def test_wire_types_come_back_whole(converter: DataConverter) -> None:
    payloads = await converter.encode([FULL_CALL, FULL_RESULT])
    assert await converter.decode(payloads, [ModelCall, ModelResult]) == [FULL_CALL, FULL_RESULT]


@pytest.mark.parametrize("converter", CONVERTERS, ids=["default", "pydantic"])
async def test_the_layout_of_a_model_call_on_the_wire(converter: DataConverter) -> None:
    # A change here is a change for histories that exist: add fields with defaults, never change one.
    assert await as_json(converter, FULL_CALL) == snapshot(
        {
            "config": {"temperature": 0.5},
            "dynamic_trailing_blocks": 1,
            "facts": True,
            "invocation_state": {"tenant": "acme"},
            "model": "claude",
            "model_state": {"response_id": "r1"},
            "output": {
                "description": "A city.",
                "name": "City",
                "nested": ["country"],
                "schema": {"properties": {}, "type": "object"},
            },
            "own_structured_output": True,
            "session_id": "s1",
            "streaming_batch_ms": 0,
            "streaming_topic": None,
            "tool_choice": {"auto": {}},
            "transcript": {
                "messages": [
                    {
                        "content": [{"image": {"source": {"bytes": {"$b64": "AHBuZw=="}}}}],
                        "role": "user",
                    }
                ],
                "system_blocks": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
                "system_prompt": "Be brief.",
                "tool_specs": [{"description": "Weather.", "inputSchema": {"json": {}}, "name": "weather"}],
            },
            "version": 1,
        }
    )
    assert await as_json(converter, ModelCall(None, Transcript(messages=[]))) == snapshot(
        {
            "config": None,
            "dynamic_trailing_blocks": 0,
            "facts": False,
            "invocation_state": {},
            "model": None,
            "model_state": None,
            "output": None,
            "own_structured_output": False,
            "session_id": None,
            "streaming_batch_ms": 0,
            "streaming_topic": None,
            "tool_choice": None,
            "transcript": {
                "messages": [],
                "system_blocks": None,
                "system_prompt": None,
                "tool_specs": None,
            },
            "version": 1,
        }
    )


@pytest.mark.parametrize("converter", CONVERTERS, ids=["default", "pydantic"])
async def test_the_layout_of_a_model_result_on_the_wire(converter: DataConverter) -> None:
    assert await as_json(converter, FULL_RESULT) == snapshot(
        {
            "duration_ms": 9,
            "events": [
                {"messageStart": {"role": "assistant"}},
                {"contentBlockStart": {"start": {}}},
                {"contentBlockDelta": {"delta": {"text": "hello"}}},
                {"contentBlockStop": {}},
                {"messageStop": {"stopReason": "end_turn"}},
                {
                    "metadata": {
                        "metrics": {"latencyMs": 1},
                        "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15},
                    }
                },
            ],
            "facts": {
                "config": {"model_id": "m"},
                "context_window_limit": 8000,
                "stateful": True,
                "structured_output": True,
            },
            "first_chunk_ms": 7,
            "invocation_state": {"cost": 3},
            "invocation_state_removed": ["secret"],
            "model_state": {"response_id": "r2"},
            "output": {"name": "Bern"},
            "version": 1,
        }
    )
    assert await as_json(converter, ModelResult(events=[])) == snapshot(
        {
            "duration_ms": 0,
            "events": [],
            "facts": None,
            "first_chunk_ms": None,
            "invocation_state": {},
            "invocation_state_removed": [],
            "model_state": None,
            "output": None,
            "version": 1,
        }
    )


@pytest.mark.parametrize("converter", CONVERTERS, ids=["default", "pydantic"])
@pytest.mark.parametrize(
    "extra", [{}, {"added_later": {"by": ["a newer release"]}}], ids=["fewer", "unknown"]
)
async def test_payloads_of_older_and_newer_releases_decode(
    converter: DataConverter, extra: dict[str, Any]
) -> None:
    payloads = await DataConverter.default.encode(
        [
            {"model": None, "transcript": {"messages": [1], **extra}, **extra},
            {"events": [{"messageStart": {"role": "assistant"}}], **extra},
        ]
    )
    call, result = await converter.decode(payloads, [ModelCall, ModelResult])
    assert call == ModelCall(None, Transcript(messages=[1]))
    assert result == ModelResult(events=[{"messageStart": {"role": "assistant"}}])
