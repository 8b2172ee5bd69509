"""Runs of a front end over AG-UI: chats, tools, questions, tools of the front end."""

import uuid
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.web_support import Web, assert_conforms, kinds, text_of, web

pytestmark = pytest.mark.server

CHAT = [
    "RUN_STARTED",
    "STATE_SNAPSHOT",
    "MESSAGES_SNAPSHOT",
    "TEXT_MESSAGE_START",
    "TEXT_MESSAGE_CONTENT",
    "TEXT_MESSAGE_END",
    "STATE_SNAPSHOT",
    "RUN_FINISHED",
]
TOOL = ["TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END"]


def new_thread() -> str:
    return f"thread-{uuid.uuid4()}"


async def test_a_chat_with_a_tool(agents: Agents) -> None:
    async with web(agents) as app:
        thread = new_thread()
        events = await app.run("plain", 'tool look_up {"word": "tea"}', thread=thread)
        assert kinds(events) == [*CHAT[:6], *TOOL, "TOOL_CALL_RESULT", *CHAT[3:]]
        assert text_of(events) == "Let me see.done: about tea"
        (call,) = [event for event in events if event["type"] == "TOOL_CALL_START"]
        assert call["toolCallName"] == "look_up"
        assert call["parentMessageId"] == events[3]["messageId"]
        (result,) = [event for event in events if event["type"] == "TOOL_CALL_RESULT"]
        assert (result["toolCallId"], result["content"]) == (call["toolCallId"], "about tea")
        assert events[-1]["outcome"] == {"type": "success"}
        tokens = {"inputTokens": 30, "outputTokens": 15, "totalTokens": 45}
        assert events[-1]["usage"] == [{"model": "m", **tokens}]
        assert events[0]["threadId"] == thread
        assert_conforms(events)
        await app.replays()


@pytest.mark.slow
async def test_reasoning_state_and_errors(agents: Agents) -> None:
    async with web(agents) as app:
        thread = new_thread()
        thought = await app.run("plain", "think so", thread=thread)
        reasoning = [event["type"] for event in thought if event["type"].startswith("REASONING")]
        assert reasoning == [
            "REASONING_START",
            "REASONING_MESSAGE_START",
            "REASONING_MESSAGE_CONTENT",
            "REASONING_MESSAGE_END",
            "REASONING_END",
        ]
        noted = await app.run("plain", 'tool note {"key": "a/b"}', thread=thread)
        states = [event["snapshot"] for event in noted if event["type"] == "STATE_SNAPSHOT"]
        assert states == [{}, {"a/b": True}]
        wrong = await app.run("plain", 'tool broken {"word": "x"}', thread=thread)
        (result,) = [event for event in wrong if event["type"] == "TOOL_CALL_RESULT"]
        assert result["content"] == "Error: no x"
        assert result["metadata"]["strands_temporal"]["status"] == "error"
        failed = await app.run("plain", "fail for good", thread=thread)
        assert failed[-1] == {**failed[-1], "type": "RUN_ERROR", "message": "for good", "code": "ValueError"}
        again = await app.run("plain", "hello", thread=thread)
        assert text_of(again) == "You said hello"
        assert [event["snapshot"] for event in again if event["type"] == "STATE_SNAPSHOT"] == [
            {"a/b": True}
        ] * 2
        for events in app.streams:
            assert_conforms(events)
        await app.replays()


async def answered(app: Web, agent: str, words: str, payload: Any, **entry: Any) -> tuple[Any, Any]:
    """Run an agent that asks, answer it, and return the events of both runs."""
    thread = new_thread()
    first = await app.run(agent, words, thread=thread)
    assert first[-1]["outcome"]["type"] == "interrupt"
    (asked,) = first[-1]["outcome"]["interrupts"]
    given = {"interruptId": asked["id"], "status": "resolved", "payload": payload, **entry}
    second = await app.run(agent, None, thread=thread, messages=[], resume=[given])
    assert second[-1]["type"] == "RUN_FINISHED"
    assert_conforms(first, second)
    return asked, second


@pytest.mark.slow
async def test_people_decide(agents: Agents) -> None:
    async with web(agents) as app:
        words = 'tool look_up {"word": "tea"}'
        asked, went_on = await answered(app, "keeper", words, {"approved": True})
        assert asked["reason"] == "strands:human-in-the-loop"
        assert asked["toolCallId"] == "look_up-1"
        assert asked["responseSchema"]["required"] == ["approved"]
        about = asked["metadata"]["strands_temporal"]
        assert (about["tool"], about["arguments"]) == ("look_up", {"word": "tea"})
        assert text_of(went_on) == "done: about tea"
        assert asked["responseSchema"]["properties"]["arguments"]["properties"]["word"] == {
            "description": "Parameter word",
            "type": "string",
        }
        assert about["allowed_decisions"] == ["approve", "reject", "edit", "respond"]
        other = {"approved": True, "arguments": {"word": "milk"}, "reason": "no tea today"}
        _, edited = await answered(app, "keeper", words, other)
        assert text_of(edited).startswith("done: about milk\nA person changed the arguments of this call to")
        assert "The reason: no tea today." in text_of(edited)
        _, rejected = await answered(app, "keeper", words, {"approved": False, "reason": "not now"})
        (result,) = [event for event in rejected if event["type"] == "TOOL_CALL_RESULT"]
        assert "not now" in result["content"]
        _, cancelled = await answered(app, "keeper", words, None, status="cancelled")
        assert "Cancelled" in next(e["content"] for e in cancelled if e["type"] == "TOOL_CALL_RESULT")
        asked, told = await answered(app, "asker", 'tool ask {"q": "go?"}', {"way": "left"})
        assert asked["metadata"]["reason"] == {"q": "go?"}
        assert text_of(told) == "done: got {'way': 'left'}"
        _, told = await answered(
            app, "pauser", 'tool ask {"q": "go?"}', "yes"
        )  # without strands-temporal-hitl
        assert text_of(told) == "done: got yes"
        await app.replays()


@pytest.mark.slow
async def test_arguments_that_people_may_not_give_are_refused(agents: Agents) -> None:
    async with web(agents) as app:
        thread = new_thread()
        first = await app.run("keeper", 'tool look_up {"word": "tea"}', thread=thread)
        (asked,) = first[-1]["outcome"]["interrupts"]
        for payload, code, words in (
            ({"approved": True, "arguments": {"wrod": "milk"}}, "InvalidArguments", "Did you mean 'word'?"),
            ({"approved": True, "arguments": {"word": 7}}, "InvalidArguments", "$.word: 7 is not of type"),
            ({"approved": True, "arguments": ["milk"]}, "MalformedDecision", "is not an object"),
            ({"approved": False, "arguments": {"word": "milk"}}, "MalformedDecision", "does not approve"),
        ):
            given = {"interruptId": asked["id"], "status": "resolved", "payload": payload}
            refused = await app.run("keeper", None, thread=thread, messages=[], resume=[given])
            assert (refused[-1]["type"], refused[-1]["code"]) == ("RUN_ERROR", code)
            assert words in refused[-1]["message"]
        given = {"interruptId": asked["id"], "status": "resolved", "payload": True}
        done = await app.run("keeper", None, thread=thread, messages=[], resume=[given])
        assert text_of(done) == "done: about tea"
        await app.replays()


@pytest.mark.slow
async def test_a_decision_that_is_sent_again_counts_once(agents: Agents) -> None:
    async with web(agents) as app:
        thread = new_thread()
        first = await app.run("asker", 'tool ask {"q": "go?"}', thread=thread, run="r1")
        (asked,) = first[-1]["outcome"]["interrupts"]
        waiting = await app.run("asker", "something else", thread=thread)
        assert (waiting[-1]["type"], waiting[-1]["code"]) == ("RUN_ERROR", "THREAD_WAITS")
        assert (await app.run("asker", 'tool ask {"q": "go?"}', thread=thread, run="r1"))[-1] == first[-1]
        answer = [{"interruptId": asked["id"], "status": "resolved", "payload": "left"}]
        second = await app.run("asker", None, thread=thread, run="r2", resume=answer)
        assert await app.run("asker", None, thread=thread, run="r2", resume=answer) == second
        answer[0]["payload"] = "right"
        late = await app.run("asker", None, thread=thread, run="r3", resume=answer)
        assert late[-1]["code"] == "AlreadyDecided"
        nothing = [{"interruptId": "nothing", "status": "resolved"}]
        unknown = await app.run("asker", None, thread=thread, run="r4", resume=nothing)
        assert unknown[-1]["code"] == "NOTHING_WAITS"
        await app.replays()


@pytest.mark.slow
async def test_tools_of_the_front_end(agents: Agents) -> None:
    async with web(agents) as app:
        thread = new_thread()
        tools = [{"name": "set_title", "description": "", "parameters": {"type": "object"}}]
        first = await app.run("painter", 'tool set_title {"title": "x"}', thread=thread, tools=tools)
        outcome = first[-1]["outcome"]
        assert outcome == {"type": "success", "pendingToolCallIds": ["set_title-1"]}
        result = {"id": "t", "role": "tool", "toolCallId": "set_title-1", "content": "it is x"}
        second = await app.run("painter", None, thread=thread, messages=[result], tools=tools)
        assert text_of(second) == "done: it is x"
        assert "TOOL_CALL_RESULT" not in kinds(second)  # the front end has it
        assert_conforms(first, second)
        first = await app.run("painter", 'tool set_title {"title": "y"}', thread=thread)
        (id_,) = first[-1]["outcome"]["pendingToolCallIds"]
        failed = {"id": "t", "role": "tool", "toolCallId": id_, "content": "", "error": "no window"}
        second = await app.run("painter", None, thread=thread, messages=[failed])
        assert "no window" in text_of(second)
        await app.replays()


@pytest.mark.slow
async def test_a_sub_agent(agents: Agents) -> None:
    async with web(agents) as app:
        words = 'tool helper {"input": "tool look_up {\\"word\\": \\"tea\\"}"}'
        events = await app.run("boss", words)
        (begun,) = [event for event in events if event["type"] == "SUBAGENT_STARTED"]
        assert (begun["name"], begun["parentToolCallId"]) == ("helper", "helper-1")
        inner = [event for event in events if event.get("subagentRunId") == begun["subagentRunId"]]
        assert text_of(inner) == "Let me see.done: about tea"
        assert [event["toolCallName"] for event in inner if event["type"] == "TOOL_CALL_START"] == ["look_up"]
        assert inner[-1]["type"] == "SUBAGENT_FINISHED"
        outer = [event for event in events if "subagentRunId" not in event]
        assert text_of(outer).strip() == "Let me see.done: done: about tea"
        assert events[-1]["usage"][0]["totalTokens"] == 90
        assert_conforms(events)
        await app.replays()
