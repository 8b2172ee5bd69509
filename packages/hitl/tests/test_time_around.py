"""Time around agents: chats, sub-agents, child workflows, business hours in the sandbox. Slow."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import Gate, approver_for, delete_file, deletes
from packages.hitl.tests.people_support import signing_plugin
from packages.hitl.tests.policy_support import ClerkChild, Desk, DeskWorkflow, refund, refunds
from packages.hitl.tests.time_support import Listener
from temporalio import workflow
from temporalio.client import Client, WorkflowUpdateFailedError

from strands_temporal import (
    ConversationClient,
    ConversationEnd,
    ConversationStart,
    StrandsPlugin,
    TemporalAgent,
)
from strands_temporal.testing import ScriptedModel, say, use_tools
from strands_temporal.workflow import Conversation
from strands_temporal_hitl import Approvals, ApprovalsCarry, business_hours

pytestmark = [pytest.mark.server, pytest.mark.slow]


def plugins(listener: Any, model: Callable[[], ScriptedModel] = deletes) -> list[Any]:
    made = model()
    return [
        StrandsPlugin(models={"model": lambda: made}),
        signing_plugin(notifiers={"ops": lambda: listener}),
    ]


def make_clerk() -> TemporalAgent:
    return TemporalAgent("model", hooks=[Gate()], tools=[delete_file], callback_handler=None)


def failing(carry: ApprovalsCarry | None) -> Approvals:
    return Approvals(deadline=timedelta(seconds=1), at_deadline="fail", carry=carry)


@workflow.defn
class FailingChat:
    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self.chat = Conversation(start, make_clerk, approvals=failing)

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


async def test_in_a_chat_only_the_turn_fails(agents: Agents) -> None:
    def model() -> ScriptedModel:
        def script(call: Any) -> Any:
            if call.prompt == "delete":
                return use_tools([("delete_file", {"path": "/a"}, f"use-{len(call.messages)}")])
            return say(f"heard {call.prompt}")

        return ScriptedModel(script)

    async with agents(workflows=[FailingChat], plugins=plugins(Listener(), model)) as env:
        handle = await env.start(FailingChat.run, ConversationStart())
        chat = ConversationClient(env.client, handle.id)
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await asyncio.wait_for(chat.send("delete", id="m1"), 30)
        assert "Nobody decided on the call of 'delete_file' in time" in str(failed.value.cause)
        assert (await asyncio.wait_for(chat.send("hello", id="m2"), 30)).text == "heard hello"
        await chat.close()
        await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)


@workflow.defn
class OfficeHoursWorkflow:
    """Counts a deadline in business hours, in the workflow sandbox."""

    def __init__(self) -> None:
        office = business_hours("Europe/Berlin", holidays=["2026-12-25"])
        self.approvals = Approvals(
            deadline=timedelta(hours=80), calendars={"office": office}, calendar="office"
        )

    @workflow.run
    async def run(self) -> str:
        return str(await self.approvals.run(make_clerk(), "go")).strip()


async def test_a_deadline_in_business_hours(agents: Agents, client: Client) -> None:
    listener = Listener()
    async with agents(workflows=[OfficeHoursWorkflow], plugins=plugins(listener)) as env:
        handle = await env.start(OfficeHoursWorkflow.run)
        asked = await listener.next("asked")
        (pending,) = asked.pending
        waits = datetime.fromisoformat(pending.deadline or "") - datetime.fromisoformat(pending.asked_at)
        assert timedelta(days=11) < waits < timedelta(days=17)  # ten working days
        await approver_for(client).approve(handle.id, pending, by="ana")
        assert await asyncio.wait_for(handle.result(), 30) == "deleted /etc/passwd"
        await env.assert_replays(handle)


TIMED_REFUNDS = {
    "version": "v1",
    "rules": [
        {
            "name": "all",
            "tools": ["refund"],
            "then": "ask",
            "time": {"deadline_seconds": 1, "at_deadline": "approve"},
        },
        {"name": "clerk", "tools": ["clerk"], "then": "approve"},
    ],
}


@pytest.mark.parametrize("way", ["sub-agent asks", "child"])
async def test_the_model_reads_it_of_calls_of_others_too(agents: Agents, way: str) -> None:
    parent = refunds(50)
    workflows: Any = [DeskWorkflow, ClerkChild]
    async with agents(
        workflows=workflows, activities=[refund], plugins=plugins(Listener(), lambda: parent)
    ) as env:
        handle = await env.start(DeskWorkflow.run, Desk(TIMED_REFUNDS, ["refund 50"], way))
        result = await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
    assert "expired_approved" in [r["outcome"] for r in result["records"]]
    assert "approved at its deadline: nobody decided in time" in result["texts"][0]
    assert "refunded 50" in result["texts"][0]
