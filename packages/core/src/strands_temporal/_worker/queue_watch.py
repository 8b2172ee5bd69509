"""Warns of an activity that waits on a task queue that no worker polls.

Temporal keeps such an activity until somebody polls the queue, and says nothing. The watch runs beside the
workflow, on the worker that runs it, so it adds nothing to history.
"""

import asyncio
import logging

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from .._errors import coded
from .._wire.waiting_activity import WaitingActivity

logger = logging.getLogger(__name__)

NO_WORKER_AFTER = 30.0
"""Seconds that an activity waits before the watch looks whether a worker polls its queue."""

AGAIN_AFTER = 300.0
"""Seconds between two warnings of one activity."""


class QueueWatch:
    """Watches the activities that the workflows of a plugin's workers have scheduled on other task queues.

    The watch of an activity ends when the activity has ended, when a worker polls its task queue, or when its
    workflow has ended. It survives an eviction of the workflow.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[WaitingActivity] = set()
        self._warned: set[WaitingActivity] = set()
        self._looking: set[asyncio.Task[None]] = set()  # keeps the tasks from being collected

    def use_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch on this event loop: that of the running worker."""
        self._loop = loop

    def begin(self, client: Client, activity: WaitingActivity) -> None:
        """Watch an activity. Callable from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._waiting.add(activity)
            self._loop.call_soon_threadsafe(self._look_later, client, activity, NO_WORKER_AFTER)

    def end(self, activity: WaitingActivity) -> None:
        """Stop watching an activity, if it is watched. Callable from any thread."""
        self._waiting.discard(activity)
        self._warned.discard(activity)

    def has_warned(self, activity: WaitingActivity) -> bool:
        """Tell whether nobody polled the task queue of an activity that still waits, at the last look."""
        return activity in self._warned

    def _look_later(self, client: Client, activity: WaitingActivity, seconds: float) -> None:
        def look() -> None:
            if activity in self._waiting:
                task = asyncio.get_running_loop().create_task(self._look(client, activity))
                self._looking.add(task)
                task.add_done_callback(self._looking.discard)

        asyncio.get_running_loop().call_later(seconds, look)

    async def _look(self, client: Client, activity: WaitingActivity) -> None:
        try:
            wanted = await _runs(client, activity) and not await is_polled(client, activity.task_queue)
        except RPCError as error:
            logger.debug("task_queue=<%s>, error=<%s> | cannot be described", activity.task_queue, error)
            wanted = False
        if not wanted:
            self.end(activity)
        elif activity in self._waiting:
            text = (
                "task_queue=<%s>, activity=<%s>, workflow_id=<%s> | no worker polls this task queue, and the "
                "activity waits for one. Start a worker there, or correct task_queue="
            )
            self._warned.add(activity)
            logger.warning(coded("ST203", text), activity.task_queue, activity.name, activity.workflow_id)
            self._look_later(client, activity, AGAIN_AFTER)


class ClientsWatch:
    """A `QueueWatch` that asks with one client: what the workflows of one worker use.

    Args:
        queues: The watch of the worker's plugin.
        client: The worker's client.
    """

    def __init__(self, queues: QueueWatch, client: Client) -> None:
        self._queues = queues
        self._client = client

    def begin(self, activity: WaitingActivity) -> None:
        """See `QueueWatch.begin`."""
        self._queues.begin(self._client, activity)

    def end(self, activity: WaitingActivity) -> None:
        """See `QueueWatch.end`."""
        self._queues.end(activity)

    def has_warned(self, activity: WaitingActivity) -> bool:
        """See `QueueWatch.has_warned`."""
        return self._queues.has_warned(activity)


async def is_polled(client: Client, task_queue: str) -> bool:
    """Tell whether a worker polls a task queue for activities, or did so in the last minutes."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        )
    )
    return len(described.pollers) > 0


async def _runs(client: Client, activity: WaitingActivity) -> bool:
    handle = client.get_workflow_handle(activity.workflow_id, run_id=activity.run_id)
    return (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
