"""The mapping of events to AG-UI: what the workflow tells becomes valid runs, whatever comes."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from packages.streaming.tests.web_support import assert_conforms, kinds, text_of

from strands_temporal_streaming import (
    AgentEnded,
    AgentEvent,
    AgentStarted,
    AttemptRestarted,
    CallStarted,
    Decision,
    End,
    MessageEnd,
    ModelCallEnded,
    ModelCallStarted,
    NodeEnded,
    NodeStarted,
    PendingInterrupt,
    QuestionAsked,
    ReasoningDelta,
    RequestEnded,
    RequestStarted,
    StateChanged,
    StreamGap,
    TextDelta,
    TextRedacted,
    ToolCall,
    ToolCallDelta,
    ToolProgress,
    ToolResult,
    TurnEnd,
    TurnStarted,
)
from strands_temporal_streaming._web.agui import TurnMapper
from strands_temporal_streaming._web.messages import history_of, prompt_of, sent_message
from strands_temporal_streaming._web.partial_json import completion

START = RequestStarted(request="r", turn=1, state={"a": 1, "b": 2}, time="2026-01-01T00:00:00+00:00")
END = RequestEnded(request="r", turn=1, stop_reason="end_turn", state={"a": 1})


def mapped(*events: AgentEvent, mapper: TurnMapper | None = None) -> list[dict[str, Any]]:
    """Map the events of a turn, and check that its runs are valid."""
    mapper = mapper or TurnMapper("t", "r")
    found = [
        json.loads(each.model_dump_json(by_alias=True))
        for event in (START, *events)
        for each in mapper.events(event)
    ]
    runs: list[list[dict[str, Any]]] = []
    for event in found:
        if event["type"] == "RUN_STARTED":
            runs.append([])
        runs[-1].append(event)
    assert_conforms(*runs)
    return found


def of(events: Sequence[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def test_arguments_stream_while_the_model_writes_them() -> None:
    events = mapped(
        ModelCallStarted(call="c", model="m"),
        CallStarted("c", "m"),
        ReasoningDelta("hm", "c"),
        TextDelta("Let me", "c"),
        ToolCallDelta(tool_use_id="1", name="f", call="c"),
        ToolCallDelta(tool_use_id="1", name="f", text='{"a"', call="c"),
        ToolCallDelta(tool_use_id="1", name="f", text=": 1}", call="c"),
        ToolCallDelta(tool_use_id="2", name="g", call="c"),
        MessageEnd("tool_use", "c"),
        ModelCallEnded(call="c", usage={"inputTokens": 5, "outputTokens": 2, "totalTokens": 17}),
        ToolCall("f", "1", {"a": 1}),
        ToolCall("g", "2", {}),
        ToolResult("g", "2", "success", "two"),
        ToolResult("f", "1", "success", "one"),
        END,
    )
    assert kinds(events)[3:-2] == [
        "REASONING_START",
        "REASONING_MESSAGE_START",
        "REASONING_MESSAGE_CONTENT",
        "REASONING_MESSAGE_END",
        "REASONING_END",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        *["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"] * 2,
        "TOOL_CALL_RESULT",
    ]
    assert [event["delta"] for event in of(events, "TOOL_CALL_ARGS")] == ['{"a"', ": 1}", "{}"]
    parents = {event["parentMessageId"] for event in of(events, "TOOL_CALL_START")}
    assert parents == {of(events, "TEXT_MESSAGE_START")[0]["messageId"]}
    # 10 tokens were read from a cache: AG-UI counts them as input.
    assert events[-1]["usage"] == [{"model": "m", "inputTokens": 15, "outputTokens": 2, "totalTokens": 17}]
    assert events[0]["timestamp"] == 1_767_225_600_000


def test_a_restarted_call_takes_back_what_it_said() -> None:
    events = mapped(
        CallStarted("c"),
        TextDelta("Once", "c"),
        ToolCallDelta(tool_use_id="1", name="f", text='{"a": "x\\u00', call="c"),
        AttemptRestarted("c", 2),
        TextDelta("Twice", "c"),
        ToolCallDelta(tool_use_id="1", name="f", text='{"a": "y"}', call="c"),
        MessageEnd("tool_use", "c"),
        ToolCall("f", "1", {"a": "y"}),
        ToolResult("f", "1", "success", "one"),
        END,
    )
    starts = of(events, "TOOL_CALL_START")
    assert [event["toolCallId"] for event in starts] == ["1", "1#2"]
    assert of(events, "TOOL_CALL_RESULT")[0]["toolCallId"] == "1#2"
    assert of(events, "MESSAGES_SNAPSHOT")[1]["messages"] == []
    redacted = mapped(CallStarted("c"), TextDelta("bad", "c"), TextRedacted("[gone]", "c"), END)
    assert text_of(redacted) == "bad[gone]"
    assert of(redacted, "MESSAGES_SNAPSHOT")[1]["messages"] == []


def test_sub_agents_and_nodes() -> None:
    inner: Any = {"path": ("helper",), "agent": "helper"}
    events = mapped(
        AgentStarted(**inner, tool_use_id="h"),
        CallStarted("d", **inner),
        TextDelta("in", "d", **inner),
        AgentStarted(path=("helper", "deep"), agent="deep"),
        NodeStarted(node="a", path=("node:a",)),
        CallStarted("e", path=("node:a",)),
        TextDelta("node", "e", path=("node:a",)),
        NodeEnded(node="a", path=("node:a",), status="completed"),
        AgentEnded(**inner, error="ValueError: no"),
        AgentStarted(**inner, tool_use_id="h2"),
        END,
    )
    helper, deep, again = of(events, "SUBAGENT_STARTED")
    assert (helper["name"], helper["parentToolCallId"]) == ("helper", "h")
    assert deep["parentSubagentRunId"] == helper["subagentRunId"] != again["subagentRunId"]
    said = {event["delta"]: event.get("subagentRunId") for event in of(events, "TEXT_MESSAGE_CONTENT")}
    assert said == {"in": helper["subagentRunId"], "node": None}
    assert of(events, "STEP_STARTED")[0]["stepName"] == "node:a"
    assert of(events, "SUBAGENT_ERROR")[0]["message"] == "ValueError: no"


def test_state_and_what_agui_has_no_event_for() -> None:
    events = mapped(
        StateChanged(changes={"c/d": [1], "a": 3}, removed=("b", "unknown")),
        ToolProgress(name="f", tool_use_id="1", data={"half": True}),
        Decision(kind="hook", name="BeforeToolCallEvent", outcome="cancelled"),
        END,
    )
    assert of(events, "STATE_DELTA")[0]["delta"] == [
        {"op": "add", "path": "/c~1d", "value": [1]},
        {"op": "add", "path": "/a", "value": 3},
        {"op": "remove", "path": "/b"},
    ]
    progress, decision = of(events, "CUSTOM")
    assert progress["name"] == "strands_temporal.ToolProgress"
    assert progress["value"]["data"] == {"half": True}
    assert decision["value"]["outcome"] == "cancelled"


def test_a_pause_ends_a_run_and_the_next_event_begins_another() -> None:
    ask = PendingInterrupt("v1:tool_call:1:u", "why", {"q": 1})
    mapper = TurnMapper("t", "r")
    events = mapped(
        CallStarted("c"),
        ToolCallDelta(tool_use_id="1", name="ask", text="{}", call="c"),
        MessageEnd("tool_use", "c"),
        ToolCall("ask", "1", {}),
        AgentStarted(path=("helper",), agent="helper"),
        QuestionAsked(id=ask.id, name="why", tool_use_id="1", deadline="2027-01-01T00:00:00+00:00"),
        TurnEnd("interrupt", (ask,)),
        TextDelta("a call that was given up", "z"),
        TurnStarted(),
        ToolResult("ask", "1", "success", "yes"),
        TurnEnd("interrupt", (PendingInterrupt("v1:tool_call:2:u", "strands-temporal-client-tool"),)),
        RequestEnded(request="r", stop_reason="cancelled"),
        mapper=mapper,
    )
    assert [event["runId"] for event in of(events, "RUN_STARTED")] == ["r", "r/2", "r/3"]
    first, second, third = of(events, "RUN_FINISHED")
    (interrupt,) = first["outcome"]["interrupts"]
    assert (interrupt["id"], interrupt["reason"], interrupt["toolCallId"]) == (ask.id, "why", "1")
    assert interrupt["expiresAt"] == "2027-01-01T00:00:00+00:00"
    assert of(events, "SUBAGENT_FINISHED")[0]["outcome"] == {"type": "suspended"}
    assert second["outcome"]["type"] == "success"
    assert third["outcome"] == {"type": "cancelled"}
    assert mapper.is_over
    assert list(mapper.events(TextDelta("late", "c"))) == []


def test_what_is_missing_and_how_it_ends() -> None:
    given_up = mapped(TextDelta("of an earlier turn", "z"), END)
    assert text_of(given_up) == ""
    lossy = mapped(StreamGap(3, 9), TextDelta("rest", "z"), ToolResult("f", "9", "success", "ok"), END)
    assert text_of(lossy) == "rest"
    assert of(lossy, "CUSTOM")[0]["value"] == {**of(lossy, "CUSTOM")[0]["value"], "start": 3, "stop": 9}
    failed = mapped(
        CallStarted("c"), TextDelta("x", "c"), RequestEnded(request="r", error_type="E", error="no")
    )
    assert (failed[-1]["type"], failed[-1]["code"], failed[-1]["message"]) == ("RUN_ERROR", "E", "no")
    ended = mapped(CallStarted("c"), TextDelta("x", "c"), End("TERMINATED"))
    assert ended[-1]["code"] == "WORKFLOW_TERMINATED"
    limited = mapped(RequestEnded(request="r", stop_reason="limit_turns", structured_output={"x": 1}))
    assert (limited[-1]["result"], limited[-1]["metadata"]) == ({"x": 1}, {"stopReason": "limit_turns"})


@pytest.mark.parametrize("text", ['{"a": [1, {"b": "x\\"y", "c": tru', '["\\ud83d\\', '{"a": -1.5e+', "[nul"])
def test_cut_json_is_completed_anywhere(text: str) -> None:
    for end in range(len(text) + 1):
        json.loads(text[:end] + completion(text[:end]))


def test_messages_both_ways() -> None:
    messages: list[Any] = [
        {
            "role": "user",
            "content": [{"text": "Hi"}, {"image": {"format": "png", "source": {"bytes": b"1"}}}],
        },
        {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm"}}},
                {"text": "Yes"},
                {"toolUse": {"name": "f", "toolUseId": "1", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "1", "status": "error", "content": [{"text": "no"}]}}],
        },
        {"role": "user", "content": [{"text": "Hi"}]},
        {"role": "user", "content": [{"text": "Hi"}]},
    ]
    shown: list[Any] = history_of(messages)
    assert [one.role for one in shown] == ["user", "reasoning", "assistant", "tool", "user", "user"]
    assert len({one.id for one in shown}) == len(shown)
    assert shown[3].error == "no"
    assert [one.id for one in history_of(messages)] == [one.id for one in shown]
    assert prompt_of([shown[0]]) == messages[0]["content"]
    assert prompt_of([shown[4]]) == "Hi"
    assert [one.content for one in sent_message("Hi", "m")] == ["Hi"]  # type: ignore[union-attr]
