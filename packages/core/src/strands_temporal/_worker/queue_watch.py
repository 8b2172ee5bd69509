"""Warns of an activity that waits on a task queue that no worker polls.

Temporal keeps such an activity until somebody polls the queue, and says nothing. The watch runs beside the
workflow, on the worker that runs it, so it adds nothing to history.
"""

import asyncio
import contextlib
import logging
import threading
import time
from datetime import datetime, timedelta, timezone

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from .._errors import coded
from .._wire.waiting_activity import WaitingActivity

logger = logging.getLogger(__name__)

NO_WORKER_AFTER = 30.0
"""Seconds that an activity waits before the watch checks whether a worker polls its queue. The watch checks
again at the same interval."""

AGAIN_AFTER = 300.0
"""Seconds between two warnings about one queue."""

POLLED_WITHIN = timedelta(minutes=2)
"""A worker polls at least once a minute while it has room. The server remembers pollers for minutes."""

_CHECKED = 20  # workflows per queue and check, to drop the activities of those that have ended


class QueueWatch:
    """Watches the activities that the workflows of a plugin's workers have scheduled on other task queues.

    While such activities wait, it checks each queue every half minute. The watch of an activity ends with the
    activity, with its workflow, and with the plugin's last worker. It survives an eviction of the workflow.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[WaitingActivity, tuple[Client, float]] = {}
        self._warned: dict[str, float] = {}  # when each queue was last warned of
        self._sweep: asyncio.Task[None] | None = None
        self._lock = threading.Lock()

    def use_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch on this event loop: that of the running worker."""
        self._loop = loop

    def begin(self, client: Client, activity: WaitingActivity) -> None:
        """Watch an activity, unless it is watched already. Callable from any thread. Raises nothing."""
        with self._lock:
            if activity in self._waiting:
                return
            self._waiting[activity] = client, time.monotonic()
        with contextlib.suppress(RuntimeError):  # the loop has just been closed
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._start)

    def end(self, activity: WaitingActivity) -> None:
        """Stop watching an activity, if it is watched. Callable from any thread."""
        with self._lock:
            self._waiting.pop(activity, None)

    def has_warned(self, activity: WaitingActivity) -> bool:
        """Tell whether nobody polled the task queue of a waiting activity at the last check."""
        return activity.task_queue in self._warned

    def clear(self) -> None:
        """Stop watching. Called when the last worker has ended."""
        with self._lock:
            self._waiting.clear()
        self._warned.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _start(self) -> None:
        if self._sweep is None or self._sweep.done():
            self._sweep = asyncio.get_running_loop().create_task(self._look_on())

    async def _look_on(self) -> None:
        while self._waiting:
            await asyncio.sleep(NO_WORKER_AFTER)
            with self._lock:
                waiting = dict(self._waiting)
            queues: dict[str, list[WaitingActivity]] = {}
            for activity, (_, since) in waiting.items():
                if time.monotonic() - since >= NO_WORKER_AFTER:
                    queues.setdefault(activity.task_queue, []).append(activity)
            for task_queue, activities in queues.items():
                try:
                    await self._look(waiting[activities[0]][0], task_queue, activities)
                except RPCError as error:  # noqa: PERF203  # a try for each queue
                    logger.debug("task_queue=<%s>, error=<%s> | cannot be described", task_queue, error)

    async def _look(self, client: Client, task_queue: str, activities: list[WaitingActivity]) -> None:
        if await is_polled(client, task_queue):
            self._warned.pop(task_queue, None)
            return
        for activity in activities[:_CHECKED]:
            if not await _runs(client, activity):
                self.end(activity)
        activities = [activity for activity in activities if activity in self._waiting]
        if activities and time.monotonic() - self._warned.get(task_queue, -AGAIN_AFTER) >= AGAIN_AFTER:
            self._warned[task_queue] = time.monotonic()
            text = (
                "task_queue=<%s>, activity=<%s>, workflow_id=<%s>, waiting=<%d> | no worker polls this task "
                "queue, and activities wait for one. Start a worker there, or correct task_queue="
            )
            first = activities[0]
            logger.warning(coded("ST203", text), task_queue, first.name, first.workflow_id, len(activities))


class ClientsWatch:
    """The `QueueWatch` for the workflows of one worker. It asks with that worker's client.

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


async def is_polled(
    client: Client,
    task_queue: str,
    kind: TaskQueueType.ValueType = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    within: timedelta = POLLED_WITHIN,
) -> bool:
    """Tell whether a worker polls a task queue, or did so lately.

    Args:
        client: The client.
        task_queue: The task queue.
        kind: Tasks for which the worker polls: activities or workflow tasks.
        within: How long ago counts as lately.

    Raises:
        RPCError: If the server does not answer.
    """
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=kind,
        ),
        retry=True,
    )
    since = datetime.now(timezone.utc) - within
    return any(poller.last_access_time.ToDatetime(timezone.utc) >= since for poller in described.pollers)


async def _runs(client: Client, activity: WaitingActivity) -> bool:
    handle = client.get_workflow_handle(activity.workflow_id, run_id=activity.run_id)
    return (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
