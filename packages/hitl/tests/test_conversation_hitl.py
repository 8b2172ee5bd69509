"""`Approvals` in a `Conversation`, without the user's wiring: over continue-as-new, and with options."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import BY, Gate, approver_for, delete_file, until
from temporalio import workflow
from temporalio.client import Client, RetryConfig, WorkflowFailureError, WorkflowHandle, WorkflowUpdateStage

from strands_temporal import (
    ConversationClient,
    ConversationEnd,
    ConversationStart,
    StrandsPlugin,
    TemporalAgent,
    TurnResult,
)
from strands_temporal.testing import AgentEnvironment, Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import Conversation, ConversationOptions
from strands_temporal_hitl import Approvals, ApprovalsCarry, HITLPlugin

pytestmark = pytest.mark.server


def make_agent() -> TemporalAgent:
    """Make an agent that asks before it deletes."""
    return TemporalAgent("m", hooks=[Gate()], tools=[delete_file], callback_handler=None)


def history_is_long() -> bool:
    """Stand in for the server's suggestion to continue as new."""
    return workflow.info().get_current_history_length() > 8


def impatient(carry: ApprovalsCarry | None) -> Approvals:
    """Make approvals with a deadline."""
    return Approvals(deadline=timedelta(seconds=1), carry=carry)


OPTIONS: dict[str, ConversationOptions] = {
    "hands over": {"hand_over_when": history_is_long},
    "impatient": {"approvals": impatient},
    "nobody": {"approvals": False},
    "wrong": {"approvals": lambda carry: "approvals"},
}


@dataclass(frozen=True)
class Start(ConversationStart):
    options: str = "hands over"


@workflow.defn
class ApprovedChat:
    @workflow.init
    def __init__(self, start: Start) -> None:
        self.chat = Conversation(start, make_agent, **OPTIONS[start.options])

    @workflow.run
    async def run(self, start: Start) -> ConversationEnd:
        return await self.chat.run()


def reply(call: ScriptedCall) -> Reply:
    """Delete what the prompt names, and tell the result."""
    if not call.tool_results:
        return use_tool("delete_file", {"path": call.prompt}, tool_use_id=f"d{len(call.messages)}")
    return say(f"done: {call.text}")


async def start_chat(env: AgentEnvironment, options: str) -> tuple[ConversationClient, Any]:
    """Start a chat and return its client, and the handle of its first run."""
    handle = await env.start(ApprovedChat.run, Start(options=options))
    return ConversationClient(env.client, handle.id), handle


async def replay(env: AgentEnvironment, *runs: "WorkflowHandle[Any, Any]") -> None:
    for run in runs:
        await env.assert_replays(run)


async def test_people_answer_in_the_next_run_and_the_client_sees_one_answer(
    agents: Agents, client: Client
) -> None:
    plugins = [StrandsPlugin(models={"m": lambda: ScriptedModel(reply)}), HITLPlugin(register=False)]
    async with agents(workflows=[ApprovedChat], plugins=plugins) as env:
        chat, handle = await start_chat(env, "hands over")
        asked = asyncio.create_task(chat.send("/srv/a"))
        approver = approver_for(client)
        first = handle.first_execution_run_id
        state = await until(chat.state, lambda state: state.run_id != first and state.turn == 1)
        assert state.status == "waiting_for_people"
        (pending,) = await approver.pending(chat.workflow_id)
        await approver.approve(chat.workflow_id, pending.id, by=BY)
        answer = await asyncio.wait_for(asked, 20)
        assert (answer.turn, answer.text) == (1, "done: deleted /srv/a")
        await chat.close()
        assert (await chat.handle.result())["turns"] == 1
        await replay(env, handle, chat.handle)


@pytest.mark.slow
async def test_a_deadline_of_ones_own_and_a_chat_without_approvals(agents: Agents) -> None:
    plugins = [StrandsPlugin(models={"m": lambda: ScriptedModel(reply)}), HITLPlugin(register=False)]
    async with agents(workflows=[ApprovedChat], plugins=plugins) as env:
        chat, handle = await start_chat(env, "impatient")
        assert (await chat.send("/srv/a")).text == "done: denied\nRejected: Nobody decided in time"
        await chat.close()
        await chat.handle.result()
        alone, other = await start_chat(env, "nobody")
        paused = await alone.send("/srv/b")
        assert paused.stop_reason == "interrupt"
        assert [each["name"] for each in paused.interrupts] == ["approval"]
        (question,) = (await alone.state()).questions
        assert [question] == paused.interrupts
        answered = await alone.send(
            [{"interruptResponse": {"interruptId": question["id"], "response": True}}]
        )
        assert answered.text == "done: deleted /srv/b"
        assert (await alone.state()).questions == []
        await alone.close()
        await alone.handle.result()
        await replay(env, handle, other)


@pytest.mark.slow
async def test_a_function_that_makes_no_approvals_ends_the_workflow(agents: Agents) -> None:
    async with agents(workflows=[ApprovedChat], models={"m": lambda: ScriptedModel(reply)}) as env:
        _, handle = await start_chat(env, "wrong")
        with pytest.raises(Exception, match="Workflow execution failed") as failed:
            await handle.result()
        assert "returned 'approvals', not an Approvals" in str(failed.value.__cause__)


@pytest.mark.slow
async def test_people_decide_beside_ten_waiting_messages_and_in_a_run_that_cannot_end(
    agents: Agents, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins = [StrandsPlugin(models={"m": lambda: ScriptedModel(reply)}), HITLPlugin(register=False)]
    hasty = await Client.connect(
        client.service_client.config.target_host, retry_config=RetryConfig(max_retries=1)
    )
    monkeypatch.setattr("strands_temporal._workflow.conversation_next_run.LARGEST_PAYLOAD", 10)
    async with agents(workflows=[ApprovedChat], plugins=plugins) as env:
        chat, handle = await start_chat(env, "hands over")  # it would, and the next run has no room
        sent = [
            await chat.handle.start_update(
                "send", f"/srv/{n}", result_type=TurnResult, wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )
            for n in range(10)
        ]
        approver = approver_for(hasty)
        for n in range(2):
            (pending,) = await until(
                lambda: approver.pending(chat.workflow_id),
                lambda found, path=f"/srv/{n}": [each.arguments for each in found] == [{"path": path}],
            )
            await approver.approve(chat.workflow_id, pending.id, by=BY)
            assert (await asyncio.wait_for(sent[n].result(), 20)).text == f"done: deleted /srv/{n}"
        await chat.handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await chat.handle.result()
        await replay(env, handle)
