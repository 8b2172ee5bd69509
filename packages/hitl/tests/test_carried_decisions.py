"""Decisions over continue-as-new: each counts once, for its own question, in whichever run."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import (
    BY,
    Gate,
    always_asks,
    delete_file,
    deletes,
    deletes_two,
    refused,
)
from packages.hitl.tests.carried_support import LongTask, LongWorkflow, hand_over
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal_hitl import (
    ApprovalNotice,
    Approvals,
    ApprovalsCarry,
    Decision,
    PendingApproval,
    digest_of,
)

pytestmark = pytest.mark.server

LONG: dict[str, Any] = {"workflows": [LongWorkflow]}


async def test_a_decision_that_is_sent_again_is_harmless_in_the_next_run(setting: Any) -> None:
    async with setting(deletes_two(), **LONG) as s:
        handle, notice = await s.pause(LongTask(), workflow_class=LongWorkflow)
        first, second = sorted(notice.pending, key=lambda p: p.arguments["path"])
        decision = Decision(first.id, "approve", BY, digest=first.digest)
        once = await s.approver.decide(handle.id, decision, update_id="u1")
        assert await s.approver.decide(handle.id, decision, update_id="u1") == once
        for _ in range(2):
            await hand_over(handle)
            assert await s.approver.decide(handle.id, decision, update_id="u1") == once
            other = Decision(first.id, "reject", "mallory")
            assert await s.approver.decide(handle.id, other, update_id="u1") == once
            again = await refused(s.approver.decide(handle.id, decision, update_id="u2"))
            assert again.kind == "AlreadyDecided"
        assert await s.approver.records(handle.id) == [once]
        await s.approver.approve(handle.id, second, by="bo")
        result = await s.end(handle)
    assert result["text"] == "deleted /a\ndeleted /b"
    assert [(r["id"], r["by"]) for r in result["records"]] == [(first.id, BY), (second.id, "bo")]


async def test_an_early_decision_and_single_use_go_across(setting: Any) -> None:
    model = ScriptedModel(use_tool("delete_file", {"path": "/a"}), use_tool("always_asks", {"name": "x"}))
    async with setting(model, **LONG) as s:
        handle, notice = await s.pause(LongTask(), workflow_class=LongWorkflow)
        seen = PendingApproval("delete:x", "approval", digest=digest_of("always_asks", {"name": "x"}))
        await s.approver.approve(handle.id, seen, by=BY, early=True)
        await hand_over(handle)
        assert (await refused(s.approver.approve(handle.id, seen, by="bo", early=True))).kind == (
            "AlreadyDecided"
        )
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        # The tool raises at every call. The early yes answered "delete:x", so the next question is a new one.
        assert [p.id for p in (await s.told.next()).pending] == ["delete:x#2"]
        await hand_over(handle)
        assert (await refused(s.approver.approve(handle.id, seen, by=BY))).kind == "AlreadyDecided"
        await s.approver.approve(handle.id, "delete:x#2", by=BY)
        assert [p.id for p in (await s.told.next()).pending] == ["delete:x#3"]
        records = await s.approver.records(handle.id)
        assert [(r.id, r.early) for r in records] == [
            (notice.pending[0].id, False),
            ("delete:x", True),
            ("delete:x#2", False),
        ]
        await handle.terminate()
        await s.assert_replays(handle)


class Deaf:
    """A notifier that fails until the test lets it succeed."""

    def __init__(self) -> None:
        self.listens = False
        self.failed, self.heard = asyncio.Event(), asyncio.Event()
        self.notices: list[ApprovalNotice] = []

    async def notify(self, notice: ApprovalNotice) -> None:
        self.notices.append(notice)
        (self.heard if self.listens else self.failed).set()
        if not self.listens:
            raise ConnectionError("not yet")


async def test_who_could_not_be_told_is_told_by_the_next_run(setting: Any) -> None:
    deaf = Deaf()
    async with setting(deletes(), notifiers={"deaf": lambda: deaf}, **LONG) as s:
        handle, notice = await s.pause(LongTask(), workflow_class=LongWorkflow)
        await asyncio.wait_for(deaf.failed.wait(), 30)
        await hand_over(handle)
        deaf.listens = True
        await asyncio.wait_for(deaf.heard.wait(), 30)
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        await s.end(handle)
        assert s.told.notices.empty()
    first, last = deaf.notices[0], deaf.notices[-1]
    assert (first.id, first.pending) == (last.id, last.pending) == (notice.id, notice.pending)
    assert {n.workflow_id for n in deaf.notices} == {handle.id}
    assert first.run_id != last.run_id


# --- Several agents


@dataclass
class TeamInput:
    """Input of `TeamWorkflow`."""

    names: list[str]
    agents: list[AgentCarry] = field(default_factory=list[AgentCarry])
    approvals: ApprovalsCarry | None = None


@workflow.defn
class TeamWorkflow:
    """Two agents wait at the same time, and go into the next run together."""

    @workflow.init
    def __init__(self, team: TeamInput) -> None:
        self.approvals = Approvals(carry=team.approvals)
        carries = team.agents or [None] * len(team.names)
        self.agents = [
            TemporalAgent(
                "model",
                agent_id=name,
                hooks=[Gate()],
                tools=[delete_file, always_asks],
                callback_handler=None,
                carry=carry,
            )
            for name, carry in zip(team.names, carries, strict=True)
        ]
        self.handing_over = False

    @workflow.signal
    def hand_over(self) -> None:
        self.handing_over = True

    @workflow.run
    async def run(self, team: TeamInput) -> list[str]:
        prompts = [None, None] if team.approvals else ["/a", "/b"]
        running = [
            self.approvals.run(agent, prompt, stop_waiting_when=lambda: self.handing_over)
            for agent, prompt in zip(self.agents, prompts, strict=True)
        ]
        results = await asyncio.gather(*running)
        if any(result.stop_reason == "interrupt" for result in results):
            carries = [agent.carry() for agent in self.agents]
            approvals = self.approvals.carry(*carries)
            # Reversed: the order of the agents must not matter.
            workflow.continue_as_new(TeamInput(team.names[::-1], carries[::-1], approvals))
        return [str(result).strip() for result in results]


def member(call: ScriptedCall) -> Any:
    """Delete what the prompt says, with a tool call that has its own id."""
    if len(call.messages) > 1:
        return say(f"{call.messages[0]['content'][0].get('text')}: {call.text}")
    return use_tool("delete_file", {"path": call.text}, tool_use_id=f"use-{call.text}")


@pytest.mark.parametrize("names", [["one", "two"], ["same", "same"]])
async def test_each_agent_gets_its_own_answers_in_the_next_run(setting: Any, names: list[str]) -> None:
    async with setting(ScriptedModel(member), workflows=[TeamWorkflow]) as s:
        handle, notice = await s.pause(TeamInput(names), workflow_class=TeamWorkflow)
        pending = notice.pending + (await s.told.next()).pending
        await hand_over(handle)
        for asked in pending:
            verdict = "approve" if asked.arguments["path"] == "/a" else "reject"
            await getattr(s.approver, verdict)(handle.id, asked, by=BY)
        assert sorted(await s.end(handle)) == ["/a: deleted /a", "/b: denied"]


async def test_agents_that_cannot_be_told_apart_are_not_handed_over(setting: Any) -> None:
    def same(call: ScriptedCall) -> Any:
        return use_tool("always_asks", {"name": "x"})

    async with setting(ScriptedModel(same), workflows=[TeamWorkflow]) as s:
        handle, _ = await s.pause(TeamInput(["same", "same"]), workflow_class=TeamWorkflow)
        await s.told.next()
        await handle.signal("hand_over")
        with pytest.raises(WorkflowFailureError) as caught:
            await asyncio.wait_for(handle.result(), 30)
        await s.assert_replays(handle)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "AgentValueError"
    assert "2 agents with the id 'same' wait with the same interrupts" in cause.message
