"""Workflows without an agent, as users already have them. This module does not import Strands."""

from datetime import timedelta
from typing import ClassVar

from temporalio import activity, workflow


@activity.defn
async def greet(name: str) -> str:
    """Greet."""
    return f"Hello, {name}"


@workflow.defn
class NoAgentWorkflow:
    """Calls one activity."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Greet in an activity."""
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn(sandboxed=False)
class WaitingWorkflow:
    """Waits forever, and notes where its `finally` runs."""

    ended_in: ClassVar[list[str | None]] = []

    @workflow.run
    async def run(self) -> None:
        """Wait."""
        try:
            await workflow.wait_condition(lambda: False)
        finally:
            self.ended_in.append(workflow.info().workflow_id if workflow.in_workflow() else None)

    @workflow.query
    def waits(self) -> bool:
        """Return True. An answer shows that the workflow has begun."""
        return True
