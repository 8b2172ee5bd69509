"""The types that cross the stream, without a server."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from strands.types.event_loop import StopReason
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DefaultPayloadConverter

from strands_temporal.activity import ModelCallInterceptor
from strands_temporal_streaming import (
    EVENT_TYPES,
    AgentEnded,
    AgentStarted,
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    ControlEvent,
    Decision,
    End,
    Failed,
    HandedOver,
    MessageEnd,
    ModelCallEnded,
    ModelCallFailed,
    ModelCallStarted,
    NodeEnded,
    NodeStarted,
    OutputLost,
    PendingInterrupt,
    QuestionAsked,
    QuestionDecided,
    ReasoningDelta,
    RequestEnded,
    RequestStarted,
    RunningAgent,
    RunningCall,
    SandboxOutput,
    Snapshot,
    StateChanged,
    StreamGap,
    StreamingPlugin,
    TextDelta,
    TextRedacted,
    ToolCall,
    ToolCallDelta,
    ToolProgress,
    ToolResult,
    ToolStarted,
    TurnEnd,
    TurnStarted,
    from_json,
    to_json,
)
from strands_temporal_streaming._control import from_control, to_control
from strands_temporal_streaming._cut import as_json
from strands_temporal_streaming._model_events import from_model
from strands_temporal_streaming._plain import plain_event

EVERY_CONTROL_EVENT: list[ControlEvent] = [
    RequestStarted(agent="helper", turn=2, request="r-1", message="Hello", index=4, state={"a": [1]}),
    RequestEnded(agent="helper", turn=2, request="r-1", stop_reason="end_turn", usage={"input_tokens": 3}),
    CallStarted("c", "claude", "1"),
    AttemptFailed("c", 1, "ConnectionError"),
    AttemptRestarted("c", 2, None, "1"),
    AttemptRestarted("c", 1, None, "1", started_at="2026-01-01T00:00:00.000000+00:00"),
    OutputLost("c", 1, 3),
    ToolCall("search", "t-1", {"q": ["a", 1, None]}, "helper"),
    ToolCall("search", "t-1", '{"q": ["a', "helper", truncated=True),
    ToolResult("search", "t-1", "success", "found", True, "helper"),
    SandboxOutput(
        "tea", "stderr", "box", "shell", "t-1", "c", 2, started_at="2026-01-01T00:00:00.000000+00:00"
    ),
    TurnEnd("interrupt", (PendingInterrupt("i", "approval", {"why": 1}),), "helper"),
    TurnEnd(None),
    TurnEnd("end_turn", usage={"totalTokens": 3}, result="Tea.", structured_output={"a": [1]}, turn=2),
    TurnEnd(None, error="ValueError: bad"),
    TurnStarted(prompt=[{"text": "hi"}], agent="helper", path=("node:a", "helper"), turn=1),
    ModelCallStarted(call="c", model="claude"),
    ModelCallEnded(call="c", stop_reason="end_turn", usage={"inputTokens": 1}, metrics={"latencyMs": 2.5}),
    ModelCallFailed(call="c", error="ValueError", message="bad"),
    ToolStarted(name="search", tool_use_id="t-1"),
    ToolProgress(name="search", tool_use_id="t-1", data={"done": 0.5}),
    Decision(kind="hook", name="BeforeToolCall", tool_use_id="t-1", outcome="cancelled", reason="no"),
    QuestionAsked(id="i", name="approval", reason={"why": 1}, tool_use_id="t-1"),
    QuestionDecided(id="i", name="approval", outcome="approved", by="ann", answer="y"),
    AgentStarted(path=("helper",), tool_use_id="t-1"),
    AgentEnded(path=("helper",), tool_use_id="t-1", stop_reason="end_turn"),
    NodeStarted(node="a", path=("node:a",)),
    NodeEnded(node="a", path=("node:a",), status="completed", execution_time_ms=5),
    HandedOver(run_id="r-1", new_run_id="r-2"),
    StateChanged(changes={"a": [1]}, removed=("b",)),
    Failed(error="ValueError", message="bad"),
]


@pytest.mark.parametrize(
    "converter", [DefaultPayloadConverter(), PydanticPayloadConverter()], ids=["default", "pydantic"]
)
@pytest.mark.parametrize("event", EVERY_CONTROL_EVENT, ids=lambda event: type(event).__name__)
def test_control_events_cross_with_any_converter(event: ControlEvent, converter: Any) -> None:
    message = converter.from_payload(converter.to_payloads([to_control(event)])[0])
    assert from_control(message, 7) == replace(event, offset=7)


def test_each_event_is_a_json_object_and_comes_back() -> None:
    snapshot = Snapshot(
        offset=7,
        status="running",
        messages=({"role": "user", "content": [{"text": "hi"}]},),
        agents=(RunningAgent(agent="b", path=("b",)),),
        questions=(QuestionAsked(id="i", path=("b",)),),
        tool_calls=(ToolCall("search", "t-1", {"q": 1}, "helper"),),
        calls=(RunningCall(call="c", path=("b",), text="so far"),),
    )
    texts = [
        TextDelta("a", "c", 1),
        ToolCallDelta(text="{", call="c"),
        StreamGap(1, 2),
        End("FAILED"),
        snapshot,
    ]
    for event in [*EVERY_CONTROL_EVENT, *texts]:
        assert from_json(json.loads(json.dumps(to_json(event)))) == event
    assert EVENT_TYPES["Snapshot"] is Snapshot
    assert from_json({"type": "OfTomorrow"}) is None


def test_every_control_event_is_tried() -> None:
    assert {type(event) for event in EVERY_CONTROL_EVENT} == set(get_args(ControlEvent))


@pytest.mark.parametrize("message", [None, 1, "text", [], {}, {"type": "OfTomorrow"}, {"type": None}])
def test_what_is_not_known_is_skipped(message: object) -> None:
    assert from_control(message, 0) is None


def test_a_field_of_tomorrow_is_skipped() -> None:
    assert from_control({"type": "CallStarted", "call": "c", "colour": "red"}, 3) == CallStarted(
        "c", offset=3
    )


def test_a_plain_event_stays_as_it_is() -> None:
    event: Any = {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Grüße 👋"}}}
    assert plain_event(event) == event
    for reason in get_args(StopReason):
        assert plain_event({"messageStop": {"stopReason": reason}}) == {"messageStop": {"stopReason": reason}}


def test_what_no_reader_could_decode_is_made_plain() -> None:
    def delta(value: Any) -> Any:
        return {"contentBlockDelta": {"delta": value}}

    assert plain_event(delta({"reasoningContent": {"redactedContent": b"\x00"}})) == delta(
        {"reasoningContent": {"redactedContent": None}}
    )
    assert plain_event(delta({"text": "\ud83d"})) == delta({"text": "?"})
    odd: Any = {"messageStop": {"stopReason": "pause_turn"}}
    assert plain_event(odd) == {"messageStop": {"stopReason": "end_turn"}}
    with pytest.raises(TypeError, match="a object is not a JSON value"):
        plain_event(delta(object()))


def test_the_plugin_and_core_mean_the_same_middleware() -> None:
    middleware = StreamingPlugin.model_call_middleware()
    assert middleware.key == "strands_temporal_streaming"
    assert (
        ModelCallInterceptor(middleware).identity
        == ModelCallInterceptor(StreamingPlugin().model_call_middleware()).identity
    )


def test_what_a_reader_sees_of_a_models_events() -> None:
    def seen(event: Any) -> Any:
        return from_model(event, "c", 1)

    assert seen({"contentBlockDelta": {"delta": {"text": "a"}}}) == TextDelta("a", "c", 1)
    assert seen({"contentBlockDelta": {"delta": {"reasoningContent": {"text": "hm"}}}}) == ReasoningDelta(
        "hm", "c", 1
    )
    assert seen({"messageStop": {"stopReason": "tool_use"}}) == MessageEnd("tool_use", "c", 1)
    redacted = {"redactAssistantContentMessage": "[no]"}
    assert seen({"redactContent": redacted}) == TextRedacted("[no]", "c", 1)
    for event in (
        None,
        "text",
        {},
        {"contentBlockDelta": None},
        {"contentBlockDelta": {"delta": {"text": ""}}},
    ):
        assert seen(event) is None


def test_everything_can_be_shown_in_json_and_is_cut() -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise ValueError("no words")

    loop: list[Any] = []
    loop.append(loop)
    assert as_json({"a": [1, None, "Grüße 👋"]}, 100) == ({"a": [1, None, "Grüße 👋"]}, False)
    assert as_json({"path": Path("a")}, 100) == ({"path": "a"}, False)
    assert as_json({(1, 2): 3, "b": 4}, 100) == ({"b": 4}, False)
    assert as_json("\ud83d", 100) == ("?", False)
    assert as_json(loop, 100) == ("<list>", False)
    assert as_json(Unspeakable(), 100) == ("<Unspeakable>", False)
    assert as_json(["x" * 10], 12) == ('["xxxxxxxxxx', True)
    assert as_json(["x" * 10], 14) == (["x" * 10], False)
