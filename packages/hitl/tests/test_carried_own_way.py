"""A workflow that continues as new in its own way, while its agent waits in an asyncio task."""

import asyncio
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, Gate, chain, delete_file, deletes
from packages.hitl.tests.carried_support import LongTask, hand_over
from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal_hitl import Approvals

pytestmark = pytest.mark.server


@workflow.defn
class OwnWayWorkflow:
    @workflow.init
    def __init__(self, task: LongTask) -> None:
        self.approvals = Approvals(carry=task.approvals)
        self.agent = TemporalAgent(
            "model", hooks=[Gate()], tools=[delete_file], callback_handler=None, carry=task.agent
        )
        self.handing_over = False

    @workflow.signal
    def hand_over(self) -> None:
        self.handing_over = True

    @workflow.run
    async def run(self, task: LongTask) -> str:
        running = asyncio.create_task(self.approvals.run(self.agent, task.prompt))
        await workflow.wait_condition(lambda: running.done() or self.handing_over)
        if not running.done():
            carry = self.agent.carry()
            workflow.continue_as_new(LongTask(None, None, carry, self.approvals.carry(carry)))
        return str(await running).strip()


async def test_a_workflow_may_hand_over_in_its_own_way(setting: Any) -> None:
    async with setting(deletes(), workflows=[OwnWayWorkflow]) as s:
        handle, notice = await s.pause(LongTask(), workflow_class=OwnWayWorkflow)
        for _ in range(2):
            await hand_over(handle)
            assert await s.approver.pending(handle.id) == notice.pending
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        assert await s.end(handle) == "deleted /etc/passwd"
        assert len(await chain(handle)) == 3
