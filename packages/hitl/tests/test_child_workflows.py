"""A sub-agent in a child workflow asks: people decide at the workflow that owns the calling agent."""

from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY
from packages.hitl.tests.test_what_runs_below import ACTIVITIES, refund_if_agreed, script
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import SubAgentResult, SubAgentTask, activity_as_tool, child_workflow
from strands_temporal_hitl import Approvals

pytestmark = pytest.mark.server


@workflow.defn(name="clerk")
class ClerkWorkflow:
    """Refunds."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        tools = [activity_as_tool(refund_if_agreed)]
        return await task.run(
            TemporalAgent("model", name="clerk", tools=tools, carry=task.carry, callback_handler=None)
        )


@workflow.defn
class HeadWorkflow:
    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, way: str) -> str:
        agent = TemporalAgent(
            "model", name="head", tools=[child_workflow(ClerkWorkflow)], callback_handler=None
        )
        return str(await self.approvals.run(agent, "go")).strip()


async def test_people_decide_at_the_owner_what_a_child_asks(setting: Any) -> None:
    workflows = [HeadWorkflow, ClerkWorkflow]
    async with setting(ScriptedModel(script), workflows=workflows, activities=ACTIVITIES) as s:
        handle, notice = await s.pause("", workflow_class=HeadWorkflow)
        questions = {pending.question: pending for pending in notice.pending}
        assert sorted(questions) == ["refund 5?", "refund 9000?"]
        assert {pending.tool for pending in notice.pending} == {"clerk"}  # what the owner sees: its own call
        await s.approver.approve(handle.id, questions["refund 5?"], by=BY)
        await s.approver.reject(handle.id, questions["refund 9000?"], by=BY, reason="too much")
        said = await s.end(handle)
    assert "refunded 5" in said
    assert "kept 9000" in said
