"""Waits for what nobody tells: bounded, by asking the server again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import WorkflowHandle


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds: 30 seconds at most, between questions."""
    for _ in range(600):
        if await true():
            return
        await asyncio.sleep(0.05)  # nobody is told of what the server knows
    raise AssertionError("not in 30 seconds")


async def failed_tasks(handle: WorkflowHandle[Any, Any]) -> bool:
    """Tell whether a workflow task has failed because the history does not replay."""
    return any(
        event.workflow_task_failed_event_attributes.cause
        == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
        for event in (await handle.fetch_history()).events
    )
