"""The stream of a `Conversation`, without the user's wiring: it goes on in the workflow's next run."""

import asyncio

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, longer_than, read_all
from strands import tool
from temporalio import workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import ConversationClient, ConversationEnd, ConversationStart, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import Conversation
from strands_temporal_streaming import (
    AgentStream,
    End,
    HandedOver,
    StreamHooks,
    TextDelta,
    ToolCall,
    ToolResult,
    TurnEnd,
)

pytestmark = pytest.mark.server


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"about {word}"


def make_agent() -> TemporalAgent:
    """Make an agent that streams."""
    return TemporalAgent("m", streaming_topic="events", tools=[look_up], callback_handler=None)


@workflow.defn
class StreamedChat:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, make_agent, hand_over_when=longer_than(8))

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


def reply(call: ScriptedCall) -> Reply:
    """Look the prompt up, then say what is known."""
    if not call.tool_results:
        return use_tool("look_up", {"word": call.prompt}, tool_use_id=f"l{len(call.messages)}")
    return say(f"{call.text}.")


async def test_a_reader_gets_the_events_of_all_runs(agents: Agents) -> None:
    async with agents(workflows=[StreamedChat], models={"m": lambda: ScriptedModel(reply)}) as env:
        handle = await env.start(StreamedChat.run, ConversationStart())
        chat = ConversationClient(env.client, handle.id)
        reading = asyncio.create_task(read_all(AgentStream(env.client, handle.id)))
        for word in ("tea", "rum"):
            assert (await chat.send(word)).text == f"about {word}."
        await chat.close()
        await asyncio.wait_for(chat.handle.result(), WAIT)
        events = await reading
        assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "about tea.about rum."
        assert [e.input for e in events if isinstance(e, ToolCall)] == [{"word": "tea"}, {"word": "rum"}]
        assert [e.text for e in events if isinstance(e, ToolResult)] == ["about tea", "about rum"]
        assert [e.stop_reason for e in events if isinstance(e, TurnEnd)] == ["end_turn"] * 2
        assert isinstance(events[-1], End)
        handed = [event for event in events if isinstance(event, HandedOver)]
        assert handed[0].run_id == handle.first_execution_run_id
        assert [one.new_run_id for one in handed[:-1]] == [one.run_id for one in handed[1:]]
        assert handed[-1].new_run_id == (await chat.handle.describe()).run_id
        assert (await chat.handle.describe()).run_id != handle.first_execution_run_id
        await env.assert_replays(handle)
        await env.assert_replays(chat.handle)


@workflow.defn
class WithoutStream:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", name="clerk", hooks=[StreamHooks()], callback_handler=None)
        return str(await agent.invoke_async("hello"))


@pytest.mark.slow
async def test_hooks_without_a_stream_are_refused_outside_of_a_conversation(agents: Agents) -> None:
    async with agents(workflows=[WithoutStream], models={"m": lambda: ScriptedModel(reply)}) as env:
        handle = await env.start(WithoutStream.run)
        with pytest.raises(WorkflowFailureError) as failed:
            await asyncio.wait_for(handle.result(), WAIT)
        await env.assert_replays(handle)
    assert "StreamHooks() of 'clerk' has no stream" in str(failed.value.cause)
