"""Values on the wire: encoding and decoding give back the same value."""

import json
from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest
from hypothesis import example, given
from inline_snapshot import snapshot
from packages.core.tests.wire.wire_values import tagged_lookalikes, values
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from strands_temporal._wire.events import merge_deltas
from strands_temporal._wire.model_call import ModelCall, ModelFacts, ModelResult, Transcript
from strands_temporal._wire.values import decode, encode, is_json
from strands_temporal.testing import say

CONVERTERS = [DataConverter.default, pydantic_data_converter]

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
        Transcript(2, "d", messages=[encode(value)], tools=[encode(value)], frame={"frame": encode(value)}),
        tool_choice=encode(value),
        invocation_state={"state": encode(value)},
        model_state={"state": encode(value)},
    )
    result = ModelResult(events=[{"event": encode(value)}], model_state={"state": encode(value)})
    payloads = await converter.encode([call.to_wire(), result.to_wire()])
    back_call, back_result = await converter.decode(payloads, [dict[str, Any], dict[str, Any]])
    assert ModelCall.from_wire(back_call) == call
    assert ModelResult.from_wire(back_result) == result
    assert decode(ModelCall.from_wire(back_call).tool_choice) == value
    assert decode(ModelResult.from_wire(back_result).events[0]["event"]) == value


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


# Wire types -----------------------------------------------------------------------------------------------

FULL_CALL = ModelCall(
    model="claude",
    transcript=Transcript(
        call=7,
        digest="0123456789abcdef",
        agent=2,
        messages=encode(
            [[0, 3], None, "hi", {"role": "user", "content": [{"image": {"source": {"bytes": b"\x00png"}}}]}]
        ),
        tools=[[0, 1], {"name": "weather", "description": "Weather.", "inputSchema": {"json": {}}}],
        frame={"system_prompt": "Be brief.", "session_id": None},
    ),
    tool_choice={"auto": {}},
    invocation_state={"tenant": "acme"},
    model_state={"response_id": "r1"},
    dynamic_trailing_blocks=1,
    streaming_topic="events",
    streaming_batch_ms=100,
    version=2,
    config={"temperature": 0.5},
    facts=True,
    own_structured_output=True,
    held=[3, "0123456789abcdef"],
    call_id="19a2b3c4d5e-2.7",
)
FULL_RESULT = ModelResult(
    events=encode(merge_deltas(say("hello").events)),
    answer="01234567",
    model_state={"response_id": "r2"},
    version=2,
    facts=ModelFacts(
        stateful=True, context_window_limit=8000, config={"model_id": "m"}, structured_output=True
    ),
    invocation_state={"cost": 3},
    invocation_state_removed=["secret"],
    output={"name": "Bern"},
    id="b2f1",
    attempt=2,
)
LEAST_CALL = ModelCall(None, Transcript(1, "0123456789abcdef", messages=["hi"]))


@pytest.mark.parametrize(
    "value", [FULL_CALL, FULL_CALL.transcript, FULL_RESULT], ids=lambda v: type(v).__name__
)
def test_wire_types_are_frozen(value: Any) -> None:
    for name in value.__dataclass_fields__:
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)


@pytest.mark.parametrize("value", [FULL_CALL, FULL_CALL.transcript, FULL_RESULT])
def test_the_samples_set_every_field(value: Any) -> None:
    wire = value.to_wire() if hasattr(value, "to_wire") else FULL_CALL.to_wire()["transcript"]
    fields = set(value.__dataclass_fields__)
    assert wire.keys() in (fields, fields - {"events"} | {"text", "usage"})


async def as_json(converter: DataConverter, value: Any) -> Any:
    (payload,) = await converter.encode([value.to_wire()])
    return json.loads(payload.data)


@pytest.mark.parametrize("converter", CONVERTERS, ids=["default", "pydantic"])
async def test_wire_types_come_back_whole(converter: DataConverter) -> None:
    for value in (FULL_CALL, LEAST_CALL, FULL_RESULT, ModelResult()):
        assert type(value).from_wire(await as_json(converter, value)) == value


@pytest.mark.parametrize("converter", CONVERTERS, ids=["default", "pydantic"])
async def test_the_layout_on_the_wire(converter: DataConverter) -> None:
    # A change here affects existing histories: add fields with defaults, never change a field.
    assert await as_json(converter, FULL_CALL) == snapshot(
        {
            "call_id": "19a2b3c4d5e-2.7",
            "config": {"temperature": 0.5},
            "dynamic_trailing_blocks": 1,
            "facts": True,
            "held": [3, "0123456789abcdef"],
            "invocation_state": {"tenant": "acme"},
            "model": "claude",
            "model_state": {"response_id": "r1"},
            "own_structured_output": True,
            "streaming_batch_ms": 100,
            "streaming_topic": "events",
            "tool_choice": {"auto": {}},
            "transcript": {
                "agent": 2,
                "call": 7,
                "digest": "0123456789abcdef",
                "frame": {"session_id": None, "system_prompt": "Be brief."},
                "messages": [
                    [0, 3],
                    None,
                    "hi",
                    {
                        "content": [{"image": {"source": {"bytes": {"$b64": "AHBuZw=="}}}}],
                        "role": "user",
                    },
                ],
                "tools": [
                    [0, 1],
                    {"description": "Weather.", "inputSchema": {"json": {}}, "name": "weather"},
                ],
            },
            "version": 2,
        }
    )
    assert await as_json(converter, FULL_RESULT) == snapshot(
        {
            "answer": "01234567",
            "attempt": 2,
            "text": "hello",
            "usage": "10 in, 5 out, 1 ms",
            "facts": {
                "config": {"model_id": "m"},
                "context_window_limit": 8000,
                "stateful": True,
                "structured_output": True,
            },
            "id": "b2f1",
            "invocation_state": {"cost": 3},
            "invocation_state_removed": ["secret"],
            "model_state": {"response_id": "r2"},
            "output": {"name": "Bern"},
            "version": 2,
        }
    )
    # Every call pays for these bytes.
    assert await as_json(converter, LEAST_CALL) == snapshot(
        {
            "model": None,
            "transcript": {"call": 1, "digest": "0123456789abcdef", "messages": ["hi"]},
        }
    )
    assert await as_json(converter, ModelResult()) == snapshot({"events": []})


@pytest.mark.parametrize("extra", [{}, {"later": {"by": ["a newer release"]}}], ids=["fewer", "unknown"])
def test_values_of_older_and_newer_releases_are_read(extra: dict[str, Any]) -> None:
    call = {"transcript": {"call": 1, "digest": "0123456789abcdef", "messages": ["hi"], **extra}, **extra}
    assert ModelCall.from_wire(call) == LEAST_CALL
    result = {"events": [0], "facts": {"stateful": True, **extra}, **extra}
    assert ModelResult.from_wire(result) == ModelResult(
        events=[{"messageStart": {"role": "assistant"}}], facts=ModelFacts(stateful=True)
    )
