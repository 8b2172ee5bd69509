"""Whether a worker polls a task queue."""

import time

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

RECENT = 70
"""Seconds: each worker asks for work at least every minute. The server remembers for five who asked."""


async def has_poller(client: Client, task_queue: str) -> bool:
    """Return whether a worker has asked for workflow tasks lately.

    Raises:
        RPCError: The server does not answer.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    description = await client.workflow_service.describe_task_queue(request)
    now = time.time()
    return any(now - poller.last_access_time.seconds < RECENT for poller in description.pollers)
