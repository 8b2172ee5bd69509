"""Shared by the tests of continue-as-new: a tool that asks, and a workflow that goes from run to run."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from temporalio import activity, workflow
from temporalio.client import WorkflowHandle

from strands_temporal import AgentCarry
from strands_temporal.activity import ToolContext


@activity.defn
async def delete_file(path: str, tool_context: ToolContext) -> str:
    """Delete a file, if a person agrees."""
    return f"deleted {path}: {tool_context.interrupt('approval', reason=path)}"


async def next_run(handle: "WorkflowHandle[Any, Any]", run_id: str | None) -> str:
    """Wait at most ten seconds until the workflow continues in another run; return that run's id."""
    for _ in range(1000):
        current = (await handle.describe()).run_id
        if current != run_id:
            return current
        await asyncio.sleep(0.01)
    raise AssertionError("there was no other run")


@dataclass
class CarriedInput:
    carry: AgentCarry | None = None
    updates: dict[str, Any] = field(default_factory=dict[str, Any])


class HandsOver:
    """Runs until a signal makes it continue as new."""

    _handover = False

    @workflow.signal
    def hand_over(self) -> None:
        self._handover = True

    async def until_handed_over(self) -> None:
        await workflow.wait_condition(lambda: self._handover)
        await workflow.wait_condition(workflow.all_handlers_finished)


async def hand_over(chat: Any) -> None:
    run_id = (await chat.describe()).run_id
    await chat.signal(HandsOver.hand_over)
    await next_run(chat, run_id)
