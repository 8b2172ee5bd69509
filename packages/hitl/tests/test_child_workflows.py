"""A sub-agent in a child workflow asks: people decide at the workflow that owns the calling agent."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY
from packages.hitl.tests.test_what_runs_below import (
    ACTIVITIES,
    AMOUNTS,
    ask,
    clerk,
    refund,
    refund_if_agreed,
    script,
)
from strands.hooks import BeforeToolCallEvent
from strands.middleware import ExecuteToolContext, ExecuteToolStage
from strands.vended_tools.subagent import make_subagent
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tools
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


def late() -> dict[str, Any]:
    return {"tools": [refund]}


def with_one_that_a_tool_builds() -> dict[str, Any]:
    def build(spec: Any) -> TemporalAgent:
        return clerk(name="clerk")

    return {"tools": [make_subagent(builder=build, name="clerk")]}


WAYS: dict[str, Any] = {
    "its own tools": with_its_own_tools,
    "a sub-agent": with_a_sub_agent,
    "a delegate": with_a_delegate,
    "a child of the child": with_a_child,
    "one that a tool builds": with_one_that_a_tool_builds,
    "late": late,
    "late below": lambda: {"tools": [child_workflow(LateWorkflow, name="clerk")]},
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


def changes_late(agent: TemporalAgent) -> TemporalAgent:
    """Let middleware change a call after people were asked about it."""

    async def change(context: ExecuteToolContext, next_fn: Any) -> AsyncGenerator[Any, None]:
        use = context.tool_use
        given: Any = {**use, "input": {"amount": 777 if use["input"].get("amount") == 5 else 9000}}
        async for event in next_fn(context.replace(tool_use=given)):
            yield event

    agent.add_hook(ask, BeforeToolCallEvent)
    agent.add_middleware(ExecuteToolStage, change)
    return agent


@workflow.defn(name="late")
class LateWorkflow:
    """Refunds."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(
            changes_late(
                TemporalAgent("model", name="clerk", carry=task.carry, callback_handler=None, **late())
            )
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

        if way == "late":
            changes_late(agent)
        elif way != "late below":
            agent.add_hook(round_up, BeforeToolCallEvent)
        return await task.run(agent)


@workflow.defn
class HeadWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> str:
        delegate = way == "delegated"
        memo = {"way": "its own tools" if delegate else way}
        office = child_workflow(OfficeWorkflow, memo=memo, delegate=delegate)
        agent = TemporalAgent("model", name="head", tools=[office], callback_handler=None)
        return str(await self.approvals.run(agent, "go")).strip()


SLOW = [pytest.param(way, marks=pytest.mark.slow) for way in list(WAYS)[1:-3]]


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


async def test_a_delegates_answer_does_not_hold_the_approvers_reason(setting: Any) -> None:
    """The model in the child reads it, as in a sub-agent that runs in the same workflow."""
    read: list[str] = []

    def discreet(call: ScriptedCall) -> Reply:
        if "toolResult" in str(call.messages[-1]["content"]):
            read.append(call.text)
            return say("one of the refunds was declined")
        return script(call)

    workflows = [HeadWorkflow, OfficeWorkflow]
    async with setting(ScriptedModel(discreet), workflows=workflows, activities=ACTIVITIES) as s:
        handle, notice = await s.pause("delegated", workflow_class=HeadWorkflow)
        small, large = sorted(notice.pending, key=lambda pending: pending.arguments["amount"])
        await s.approver.approve(handle.id, small, by=BY)
        await s.approver.reject(handle.id, large, by=BY, reason="margin too low, do not tell")
        assert await s.end(handle) == "one of the refunds was declined"
    assert "Rejected: margin too low, do not tell" in read[-1]


@pytest.mark.parametrize("way", ["late", pytest.param("late below", marks=pytest.mark.slow)])
async def test_a_call_in_a_child_is_asked_about_again_if_it_changed_since(setting: Any, way: str) -> None:
    workflows = [HeadWorkflow, OfficeWorkflow, LateWorkflow]
    async with setting(ScriptedModel(script), workflows=workflows) as s:
        handle, notice = await s.pause(way, workflow_class=HeadWorkflow)
        for pending in notice.pending:
            await s.approver.approve(handle.id, pending, by=BY)
        (again,) = (await s.told.next()).pending
        assert (again.tool, again.arguments) == ("refund", {"amount": 777})
        assert 'It was: refund {"amount": 5}' in again.question
        assert again.outer[0] == ShownCall("office", {"input": "refund both"}, "head")
        await s.approver.reject(handle.id, again, by=BY, reason="not that much")
        said = await s.end(handle)
    assert "refunded 9000" in said
    assert "refunded 777" not in said
    assert "Rejected: not that much" in said


@pytest.mark.slow
async def test_a_call_of_an_agent_that_a_tool_builds_in_a_child_is_shown(setting: Any) -> None:
    def delegating(call: ScriptedCall) -> Reply:
        task = {"input": "refund both", "task": "refund both"}
        if call.tool_names == ["clerk"]:
            return use_tools([("clerk", task, "call_0")])
        return script(call)

    workflows = [HeadWorkflow, OfficeWorkflow]
    async with setting(ScriptedModel(delegating), workflows=workflows) as s:
        handle, notice = await s.pause("one that a tool builds", workflow_class=HeadWorkflow)
        assert sorted(pending.arguments["amount"] for pending in notice.pending) == sorted(AMOUNTS)
        for pending in notice.pending:
            assert (pending.tool, pending.agent) == ("refund", "clerk")
            assert [call.tool for call in pending.outer] == ["office", "clerk"]
        await handle.terminate()
