"""A person edits the calls of sub-agents, in the workflow or in children, of nodes, of agents in tools."""

from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, refused
from packages.hitl.tests.test_inner_agents import InnerWorkflow
from packages.hitl.tests.test_inner_agents import script as shouts
from packages.hitl.tests.test_what_runs_below import (
    ACTIVITIES,
    MULTI,
    WAYS,
    BelowWorkflow,
    NodesWorkflow,
    ask,
    clerk,
    refund,
    script,
)
from strands.hooks import BeforeToolCallEvent
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel
from strands_temporal.workflow import SubAgentResult, SubAgentTask, child_workflow
from strands_temporal_hitl import Approvals, digest_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

NOTE = 'A person changed the arguments of this call to {"amount": 7}. The reason: a smaller one.'


async def edited(s: Any, handle: Any, pending: list[Any]) -> Any:
    """Approve the small refund, edit the large one, and return what the workflow says."""
    small, large = sorted(pending, key=lambda each: each.arguments["amount"])
    assert large.allowed_decisions == ["approve", "reject", "edit", "respond"]
    assert large.input_schema["properties"]["amount"]["type"] == "integer"
    await s.approver.approve(handle.id, small, by=BY)
    wrong = await refused(s.approver.edit(handle.id, large, {"amount": "much"}, by=BY))
    assert wrong.kind == "InvalidArguments"
    assert "$.amount: 'much' is not of type 'integer'" in str(wrong)
    record = await s.approver.edit(handle.id, large, {"amount": 7}, by=BY, reason="a smaller one")
    assert (record.outcome, record.edited_digest) == ("edited", digest_of("refund", {"amount": 7}))
    said = await s.end(handle)
    assert "refunded 5" in str(said)
    assert "refunded 9000" not in str(said)
    assert str(said).count("refunded 7") == 1
    return said


def reading(read: list[str]) -> ScriptedModel:
    """Return a model that remembers the results that it reads."""

    def remember(call: ScriptedCall) -> Any:
        read.append(str(call.messages[-1]["content"]))
        return script(call)

    return ScriptedModel(remember)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "in an activity"])
async def test_the_call_of_a_sub_agent(setting: Any, way: str) -> None:
    read: list[str] = []
    async with setting(reading(read), workflows=[BelowWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=BelowWorkflow)
        await edited(s, handle, notice.pending)
    assert NOTE in str(read)


@pytest.mark.parametrize("way", list(MULTI))
async def test_the_call_of_a_node(setting: Any, way: str) -> None:
    read: list[str] = []
    async with setting(reading(read), workflows=[NodesWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=NodesWorkflow)
        await edited(s, handle, notice.pending)
    assert NOTE in str(read)


async def test_a_call_that_asks_itself_has_begun_and_takes_no_edit(setting: Any) -> None:
    async with setting(ScriptedModel(script), workflows=[BelowWorkflow], activities=ACTIVITIES) as s:
        handle, notice = await s.pause("in an activity", workflow_class=BelowWorkflow)
        for pending in notice.pending:
            assert (pending.allowed_decisions, pending.input_schema) == (
                ["approve", "reject", "respond"],
                None,
            )
            error = await refused(s.approver.edit(handle.id, pending, {"amount": 7}, by=BY))
            assert error.kind == "NotAllowed"
            assert (
                "An edit is for a call of one tool that has not begun. Allowed: approve, reject, respond"
                in str(error)
            )
            await s.approver.approve(handle.id, pending, by=BY)
        assert "refunded 9000" in await s.end(handle)


# --- In child workflows


def double(event: BeforeToolCallEvent[Any]) -> None:
    """Change a call each time that it is about to run."""
    use = event.tool_use
    if use["name"] == "refund" and use["input"]["amount"] < 100:
        event.tool_use = {**use, "input": {"amount": use["input"]["amount"] * 2}}


def of_a_clerk(**options: Any) -> dict[str, Any]:
    return {"tools": [clerk().as_tool(name="clerk", description="Refunds.", **options)]}


CHILDREN: dict[str, Any] = {
    "its own call": lambda: {"tools": [refund]},
    "doubled": lambda: {"tools": [refund]},
    "a sub-agent's": of_a_clerk,
    "a delegate's": lambda: of_a_clerk(delegate=True),
    "a child's": lambda: {"tools": [child_workflow(ChildClerkWorkflow, name="clerk")]},
}


@workflow.defn(name="clerk")
class ChildClerkWorkflow:
    """Refunds."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        way = workflow.memo_value("way", "its own call", type_hint=str)
        options = CHILDREN[way]()
        agent = TemporalAgent("model", name="clerk", carry=task.carry, callback_handler=None, **options)
        agent.add_hook(ask, BeforeToolCallEvent)
        if way == "doubled":
            agent.hooks.add_callback(BeforeToolCallEvent, double)
        return await task.run(agent)


@workflow.defn
class OwnerWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals(allowed_decisions={"clerk": ["approve"]})

    @workflow.run
    async def run(self, way: str) -> str:
        delegate = way == "delegated"
        memo = {"way": "its own call" if delegate else way}
        office = child_workflow(ChildClerkWorkflow, name="clerk", memo=memo, delegate=delegate)
        agent = TemporalAgent("model", name="head", tools=[office], callback_handler=None)
        return str(await self.approvals.run(agent, "go")).strip()


@pytest.mark.parametrize("way", [*(way for way in CHILDREN if way != "doubled"), "delegated"])
async def test_the_call_in_a_child_workflow(setting: Any, way: str) -> None:
    read: list[str] = []
    async with setting(reading(read), workflows=[OwnerWorkflow, ChildClerkWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=OwnerWorkflow)
        await edited(s, handle, notice.pending)
    assert NOTE in str(read)


async def test_a_call_in_a_child_that_changes_after_its_edit_is_asked_about_again(setting: Any) -> None:
    """Nothing runs that nobody saw: a hook doubles what the person wrote, twice."""
    async with setting(ScriptedModel(script), workflows=[OwnerWorkflow, ChildClerkWorkflow]) as s:
        handle, notice = await s.pause("doubled", workflow_class=OwnerWorkflow)
        for pending in notice.pending:
            await s.approver.edit(handle.id, pending, {"amount": pending.arguments["amount"] + 20}, by=BY)
        (again,) = (await s.told.next()).pending
        assert again.arguments == {"amount": 60}  # 5, doubled, and 20 more: doubled
        await s.approver.edit(handle.id, again, {"amount": 40}, by=BY)
        (third,) = (await s.told.next()).pending
        assert third.arguments == {"amount": 80}
        await s.approver.approve(handle.id, third, by=BY)
        said = await s.end(handle)
    assert "refunded 80" in said
    assert "refunded 9020" in said


# --- Agents in tools


@pytest.mark.parametrize("way", ["harness", "vended", "nested"])
async def test_the_call_of_an_agent_that_a_tool_builds(setting: Any, way: str) -> None:
    async with setting(ScriptedModel(shouts), workflows=[InnerWorkflow]) as s:
        handle, notice = await s.pause(way, workflow_class=InnerWorkflow)
        for pending in notice.pending:
            await s.approver.edit(handle.id, pending, {"text": f"psst {pending.arguments['text']}"}, by=BY)
        said = await s.end(handle)
    assert said.count("PSST HELLO") == said.count("PSST RM -RF /") == 1


async def test_one_question_about_several_calls_takes_no_edit(setting: Any) -> None:
    async with setting(ScriptedModel(shouts), workflows=[InnerWorkflow]) as s:
        handle, notice = await s.pause("asks itself", workflow_class=InnerWorkflow)
        (pending,) = notice.pending
        assert len(pending.calls) == 2
        error = await refused(s.approver.edit(handle.id, pending, {"text": "psst"}, by=BY))
        assert error.kind == "NotAllowed"
        await s.approver.approve(handle.id, pending, by=BY)
        await s.end(handle)


async def test_middleware_that_undoes_an_edit_runs_nothing(setting: Any) -> None:
    """It changes each call to "rm -rf /", whatever people write."""
    async with setting(ScriptedModel(shouts), workflows=[InnerWorkflow]) as s:
        handle, notice = await s.pause("changed", workflow_class=InnerWorkflow)
        for pending in notice.pending:
            decide = s.approver.approve if pending.arguments["text"] != "hello" else s.approver.reject
            await decide(handle.id, pending, by=BY)
        said = await s.end(handle)
        assert said.count("RM -RF") == 1
        handle, notice = await s.pause("changed", workflow_class=InnerWorkflow)
        for pending in notice.pending:
            if pending.arguments["text"] == "hello":
                await s.approver.edit(handle.id, pending, {"text": "psst"}, by=BY)
            else:
                await s.approver.reject(handle.id, pending, by=BY)
        for _ in range(2):
            (again,) = (await s.told.next()).pending
            assert again.arguments == {"text": "rm -rf /"}
            await s.approver.edit(handle.id, again, {"text": "psst!"}, by=BY)
        said = await s.end(handle)
    assert "RM -RF" not in said
    assert "The call changed after it was approved" in said
