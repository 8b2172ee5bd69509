"""Whoever waits when a conversation ends by a failure gets a typed error, and no handler is left over."""

import asyncio
import warnings
from datetime import timedelta

import pytest
from conftest import Agents
from packages.core.tests.workflow.conversation_scenes import ChatStart, Held, make_agent, replay_all, until
from temporalio import workflow
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from strands_temporal import ConversationClient, ConversationClosedError, ConversationEnd
from strands_temporal.testing import ScriptedModel, say
from strands_temporal.workflow import Conversation

pytestmark = [pytest.mark.server, pytest.mark.slow]


@workflow.defn
class BreakingChat:
    """A chat that breaks after its first turn."""

    @workflow.init
    def __init__(self, start: ChatStart) -> None:
        self.chat = Conversation(start, make_agent, hand_over_when=self.breaks)

    def breaks(self) -> bool:
        if self.chat.state.turn and self.chat.state.status == "idle":
            raise ApplicationError("it broke", type="Broken")
        return False

    @workflow.run
    async def run(self, start: ChatStart) -> ConversationEnd:
        return await self.chat.run()


async def test_a_failure_of_the_workflow_answers_who_waits(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held()
    model = ScriptedModel(lambda call: say("ok").when(held.wait))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with agents(workflows=[BreakingChat], models={"m": lambda: model}) as env:
            handle = await env.start(BreakingChat.run, ChatStart())
            chat = ConversationClient(env.client, handle.id)
            first = asyncio.create_task(chat.send("one"))
            await asyncio.wait_for(held.asked.wait(), 10)
            second = asyncio.create_task(chat.send("two"))

            async def queued() -> bool:
                return (await chat.state()).queued == 1

            await until(queued)
            held.let_go.set()
            assert (await first).text == "ok"
            with pytest.raises(WorkflowUpdateFailedError) as failed:
                await second
            assert isinstance(failed.value.cause, ApplicationError)
            assert (failed.value.cause.type, failed.value.cause.message) == ("Broken", "it broke")
            with pytest.raises(WorkflowFailureError):
                await handle.result()
            with pytest.raises(ConversationClosedError, match="has ended \\(failed\\)"):
                await chat.send("late")
            await replay_all(env, chat.workflow_id)
    assert "TMPRL1102" not in " ".join([caplog.text, *(str(each.message) for each in caught)])


@pytest.mark.parametrize("how", ["terminated", "timed out"])
async def test_a_server_that_ends_the_workflow_answers_who_waits(agents: Agents, how: str) -> None:
    held = Held()
    model = ScriptedModel(lambda call: say("never").when(held.wait))
    async with agents(workflows=[BreakingChat], models={"m": lambda: model}) as env:
        limit = timedelta(seconds=2) if how == "timed out" else None
        handle = await env.start(BreakingChat.run, ChatStart(), execution_timeout=limit)
        chat = ConversationClient(env.client, handle.id)
        waiting = [asyncio.create_task(chat.send(text)) for text in ("one", "two")]
        await asyncio.wait_for(held.asked.wait(), 10)
        if how == "terminated":
            await chat.handle.terminate()
        for each in waiting:
            with pytest.raises(ConversationClosedError):
                await asyncio.wait_for(each, 20)
        with pytest.raises(ConversationClosedError):
            await chat.close()
        held.let_go.set()
