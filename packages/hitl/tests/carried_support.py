"""A workflow that continues as new while it waits, and helpers that make it do so."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from packages.hitl.tests.approvals_support import Gate, always_asks, delete_file, pick_color, until
from temporalio import workflow
from temporalio.client import WorkflowExecutionDescription

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal_hitl import Approvals, ApprovalsCarry


@dataclass
class LongTask:
    """Input of `LongWorkflow`."""

    prompt: str | None = "go"
    deadline: float | None = None
    agent: AgentCarry | None = None
    approvals: ApprovalsCarry | None = None


@workflow.defn
class LongWorkflow:
    """Continues as new while it waits, on the test's signal."""

    @workflow.init
    def __init__(self, task: LongTask) -> None:
        deadline = None if task.deadline is None else timedelta(seconds=task.deadline)
        self.approvals = Approvals(deadline=deadline, carry=task.approvals)
        self.agent = TemporalAgent(
            "model",
            hooks=[Gate()],
            tools=[delete_file, pick_color, always_asks],
            callback_handler=None,
            carry=task.agent,
        )
        self.handing_over = False
        self.released = False

    @workflow.signal
    def hand_over(self) -> None:
        self.handing_over = True

    @workflow.update
    async def hold(self) -> None:
        """Keep the workflow from ending its run until it is released."""
        await workflow.wait_condition(lambda: self.released)

    @workflow.signal
    def release(self) -> None:
        self.released = True

    @workflow.run
    async def run(self, task: LongTask) -> dict[str, Any]:
        result = await self.approvals.run(
            self.agent, task.prompt, stop_waiting_when=lambda: self.handing_over
        )
        if result.stop_reason == "interrupt":
            assert result.interrupts
            await workflow.wait_condition(workflow.all_handlers_finished)
            carry = self.agent.carry()
            workflow.continue_as_new(LongTask(None, task.deadline, carry, self.approvals.carry(carry)))
        return {"text": str(result).strip(), "records": self.approvals.records}


async def hand_over(handle: Any) -> None:
    """Let a settled workflow continue as new, and wait for its next run."""
    before = (await until(handle.describe, is_settled)).run_id
    await handle.signal("hand_over")
    await next_run(handle, before)


def is_settled(description: WorkflowExecutionDescription) -> bool:
    """Tell whether a workflow has processed all events so far, apart from retries."""
    raw = description.raw_description
    is_at_work = raw.HasField("pending_workflow_task") and raw.pending_workflow_task.ByteSize() > 0
    return not is_at_work and all(activity.attempt > 1 for activity in raw.pending_activities)


async def next_run(handle: Any, before: str) -> None:
    async def run_id() -> str:
        return (await handle.describe()).run_id

    await until(run_id, lambda now: now != before)
