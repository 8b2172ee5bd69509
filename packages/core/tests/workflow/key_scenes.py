"""Shared by the tests of idempotency keys: the keys that activities saw, and the reset of a workflow."""

import asyncio
import uuid
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from strands_temporal.testing import AgentEnvironment

keys: list[str] = []
"""Keys that the activities of a test saw, in order."""


@pytest.fixture(autouse=True)
def forget_keys() -> None:
    keys.clear()


async def reset_to(env: AgentEnvironment, handle: WorkflowHandle[Any, Any], task: int) -> Any:
    """Reset the workflow to the workflow task that ended with event `task`. Return the new run's result."""
    started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    request = ResetWorkflowExecutionRequest(
        namespace=env.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=started.original_execution_run_id),
        reason="test",
        request_id=str(uuid.uuid4()),
        workflow_task_finish_event_id=task,
    )
    response = await env.client.workflow_service.reset_workflow_execution(request, retry=True)
    new = env.client.get_workflow_handle(handle.id, run_id=response.run_id)
    result = await asyncio.wait_for(new.result(), 30)
    await env.assert_replays(new)
    return result


async def scheduling(handle: WorkflowHandle[Any, Any], activity_type: str, number: int = 0) -> int:
    """Return the event that ended the workflow task in which the activity was scheduled."""
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    fitting = [each for each in scheduled if each.activity_type.name == activity_type]
    return fitting[number].workflow_task_completed_event_id
