"""The events of a conversation whose questions people answer, over continue-as-new."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import tool
from strands.hooks import BeforeToolCallEvent
from temporalio import workflow

from strands_temporal import ConversationClient, ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import Conversation
from strands_temporal_hitl import Approvals, ApprovalsCarry, ApprovalsClient
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    HandedOver,
    QuestionAsked,
    QuestionDecided,
    Snapshot,
    ToolResult,
    ToolStarted,
    TurnEnd,
    TurnStarted,
)

pytestmark = [pytest.mark.server, pytest.mark.slow]

WAIT = 30.0


@tool
def delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


def ask(event: BeforeToolCallEvent) -> None:
    """Ask before each tool call."""
    if event.interrupt("approval", reason="really?") is not True:
        event.cancel_tool = "denied"


def make_agent() -> TemporalAgent:
    """Make an agent that asks."""
    return TemporalAgent("m", name="clerk", tools=[delete_file], hooks=[ask], callback_handler=None)


def approvals(carry: ApprovalsCarry | None) -> Approvals:
    """Make approvals with a deadline."""
    return Approvals(deadline=timedelta(hours=1), carry=carry)


def history_is_long() -> bool:
    """Stand in for the server's suggestion to continue as new."""
    return workflow.info().get_current_history_length() > 12


@workflow.defn
class LiveChat:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, make_agent, hand_over_when=history_is_long, approvals=approvals)

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


def reply(call: ScriptedCall) -> Reply:
    """Delete what the prompt names, and tell the result."""
    if not call.tool_results:
        return use_tool("delete_file", {"path": call.prompt}, tool_use_id=f"d{len(call.messages)}")
    return say(f"done: {call.text}")


def of(kind: type[Any], events: list[AgentEvent]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


async def test_questions_of_people_are_events(agents: Agents) -> None:
    events: list[AgentEvent] = []
    asked = asyncio.Queue[QuestionAsked]()
    async with agents(workflows=[LiveChat], models={"m": lambda: ScriptedModel(reply)}) as env:
        handle = await env.start(LiveChat.run, ConversationStart())
        chat, people = ConversationClient(env.client, handle.id), ApprovalsClient(env.client)

        async def read() -> None:
            async for event in AgentStream(env.client, handle.id):
                events.append(event)
                if isinstance(event, QuestionAsked):
                    asked.put_nowait(event)

        reading = asyncio.create_task(read())
        answers: list[str] = []
        for number, verdict in enumerate((True, False, True)):
            sent = asyncio.create_task(chat.send(f"file {number}"))
            question = await asyncio.wait_for(asked.get(), WAIT)
            waiting = await anext(aiter(AgentStream(env.client, handle.id, snapshot=True)))
            assert isinstance(waiting, Snapshot)
            assert (waiting.status, [one.id for one in waiting.questions]) == ("waiting", [question.id])
            decide = people.approve if verdict else people.reject
            await decide(handle.id, question.id, by="ana")
            answers.append((await asyncio.wait_for(sent, WAIT)).text)
        await chat.close()
        await asyncio.wait_for(reading, WAIT)
        await env.assert_replays(handle)
        await env.assert_replays(chat.handle)
    assert answers == ["done: deleted file 0", "done: denied", "done: deleted file 2"]
    questions, decisions = of(QuestionAsked, events), of(QuestionDecided, events)
    assert len(questions) == len(decisions) == 3  # each once, also if the chat continued as new meanwhile
    assert [(one.tool_use_id, one.reason, one.turn) for one in questions] == [
        ("d1", "really?", 1),
        ("d5", "really?", 2),
        ("d9", "really?", 3),
    ]
    assert all(one.deadline and one.agent == "clerk" for one in questions)
    assert [(one.id, one.outcome, one.by) for one in decisions] == [
        (question.id, outcome, "ana")
        for question, outcome in zip(questions, ("approved", "rejected", "approved"), strict=True)
    ]
    assert [(turn.turn, turn.prompt) for turn in of(TurnStarted, events) if turn.prompt] == [
        (1, "file 0"),
        (2, "file 1"),
        (3, "file 2"),
    ]
    ends = [turn for turn in of(TurnEnd, events) if turn.stop_reason != "interrupt"]
    assert [turn.turn for turn in ends] == [1, 2, 3]
    assert [one.tool_use_id for one in of(ToolStarted, events)] == ["d1", "d9"]
    assert [one.text for one in of(ToolResult, events)] == ["deleted file 0", "denied", "deleted file 2"]
    assert of(HandedOver, events)
