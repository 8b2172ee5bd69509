"""Whether a worker polls a task queue."""

from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client

from .._worker.queue_watch import is_polled

RECENT = 70
"""Seconds: each worker asks for work at least every minute. The server remembers for five who asked."""


async def has_poller(client: Client, task_queue: str) -> bool:
    """Return whether a worker has asked for workflow tasks lately.

    Raises:
        RPCError: The server does not answer.
    """
    kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    return await is_polled(client, task_queue, kind, timedelta(seconds=RECENT))
