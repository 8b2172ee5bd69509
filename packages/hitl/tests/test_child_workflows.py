"""A sub-agent in a child workflow asks: people decide at the workflow that owns the calling agent."""

from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY
from packages.hitl.tests.test_what_runs_below import (
    ACTIVITIES,
    AMOUNTS,
    clerk,
    refund_if_agreed,
    script,
)
from strands.hooks import BeforeToolCallEvent
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import SubAgentResult, SubAgentTask, activity_as_tool, child_workflow
from strands_temporal_hitl import Approvals, ShownCall, digest_of

pytestmark = pytest.mark.server


def with_its_own_tools() -> dict[str, Any]:
    return {"tools": [activity_as_tool(refund_if_agreed)]}


def with_a_sub_agent() -> dict[str, Any]:
    inner = clerk(name="clerk")
    return {"tools": [inner.as_tool(name="clerk", description="Refunds.")]}


def with_a_delegate() -> dict[str, Any]:
    return {"tools": [clerk(name="clerk").as_tool(name="clerk", description="Refunds.", delegate=True)]}


def with_a_child() -> dict[str, Any]:
    return {"tools": [child_workflow(ClerkWorkflow, name="clerk")]}


WAYS: dict[str, Any] = {
    "its own tools": with_its_own_tools,
    "a sub-agent": with_a_sub_agent,
    "a delegate": with_a_delegate,
    "a child of the child": with_a_child,
}


@workflow.defn(name="clerk")
class ClerkWorkflow:
    """Refunds."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        tools = with_its_own_tools()
        return await task.run(
            TemporalAgent("model", name="clerk", carry=task.carry, callback_handler=None, **tools)
        )


@workflow.defn(name="office")
class OfficeWorkflow:
    """Has refunds made. The tool's name says how."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        way = workflow.memo_value("way", "its own tools", type_hint=str)
        agent = TemporalAgent("model", name="office", carry=task.carry, callback_handler=None, **WAYS[way]())

        def round_up(event: BeforeToolCallEvent[Any]) -> None:
            use = event.tool_use
            if use["input"].get("amount") == 5:
                event.tool_use = {**use, "input": {"amount": 6}}

        agent.add_hook(round_up, BeforeToolCallEvent)
        return await task.run(agent)


@workflow.defn
class HeadWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> str:
        office = child_workflow(OfficeWorkflow, memo={"way": way})
        agent = TemporalAgent("model", name="head", tools=[office], callback_handler=None)
        return str(await self.approvals.run(agent, "go")).strip()


SLOW = [pytest.param(way, marks=pytest.mark.slow) for way in list(WAYS)[1:]]


@pytest.mark.parametrize("way", ["its own tools", *SLOW])
async def test_people_see_and_decide_at_the_owner_what_asks_inside_a_child(setting: Any, way: str) -> None:
    """They see the call in the child, with its arguments after the child's hooks, and the calls around it."""
    own = way == "its own tools"
    small, large = (6, 9000) if own else AMOUNTS  # the hook is that of the child's agent
    workflows = [HeadWorkflow, OfficeWorkflow, ClerkWorkflow]
    async with setting(ScriptedModel(script), workflows=workflows, activities=ACTIVITIES) as s:
        handle, notice = await s.pause(way, workflow_class=HeadWorkflow)
        by_amount = {pending.arguments["amount"]: pending for pending in notice.pending}
        assert sorted(by_amount) == [small, large]
        name = "refund_if_agreed" if way in ("its own tools", "a child of the child") else "refund"
        for amount, pending in by_amount.items():
            assert (pending.tool, pending.agent) == (name, "office" if own else "clerk")
            assert pending.question == f"refund {amount}?"
            assert pending.digest == digest_of(name, {"amount": amount})
            assert pending.outer[0] == ShownCall("office", {"input": "refund both"}, "head")
            assert [(call.tool, call.agent) for call in pending.outer[1:]] == (
                [] if own else [("clerk", "office")]
            )
        await s.approver.approve(handle.id, by_amount[small], by=BY)
        await s.approver.reject(handle.id, by_amount[large], by=BY, reason="too much")
        said = await s.end(handle)
        records = {record.outcome: record.tool for record in await s.approver.records(handle.id)}
    assert f"refunded {small}" in said
    assert "refunded 9000" not in said
    assert "Rejected: too much" in said
    assert records == {"approved": name, "rejected": name}
