"""What keeps a running workflow from going on: calls that fail, and tasks that no worker can do."""

import asyncio

from temporalio.client import Client, WorkflowExecutionDescription

from ._texts import cut, one_line

_TASK_ATTEMPTS = 3
"""Attempts of a workflow task before it is trouble: a worker that was killed costs one or two."""


async def trouble_of(client: Client, workflow_id: str, timeout: float) -> str | None:
    """Return one line about the first trouble of a workflow, or None.

    Raises:
        RPCError: The server does not answer, or does not know the workflow.
        asyncio.TimeoutError: It is silent.
    """
    described = await asyncio.wait_for(client.get_workflow_handle(workflow_id).describe(), timeout)
    return _of_activities(described) or _of_task(described)


def _of_activities(described: WorkflowExecutionDescription) -> str | None:
    for pending in described.raw_description.pending_activities:
        if pending.attempt > 1 and pending.HasField("last_failure"):
            return (
                f"{pending.activity_type.name} failed and is tried again (attempt {pending.attempt}): "
                f"{cut(one_line(pending.last_failure.message))}"
            )
    return None


def _of_task(described: WorkflowExecutionDescription) -> str | None:
    task = described.raw_description.pending_workflow_task
    if task.attempt < _TASK_ATTEMPTS:
        return None
    return (
        f"The worker cannot run the conversation's workflow (attempt {task.attempt}). Its log says why: "
        "perhaps the code has changed"
    )
