"""How an example's programs meet a person: where the server is, what went wrong in one line, how they end."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Coroutine
from typing import Any

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError

ADDRESS = os.environ.get("TEMPORAL_ADDRESS") or "localhost:7233"
"""Where the Temporal server is."""

POLL_SECONDS = 70
"""A worker asks for work at least every minute; the server remembers for five minutes who did."""

WORKER_PATIENCE = 10.0
"""Seconds that a worker has to come: the two may have been started together."""


def run_worker(main: Coroutine[Any, Any, None]) -> None:
    """Run a worker's program until Ctrl+C, or SIGTERM as a supervisor sends it: both let it end in order."""
    _run(_until_terminated(main), "Worker ended.")


def run_client(main: Coroutine[Any, Any, None]) -> None:
    """Run a client's program. Ctrl+C ends it, and nothing else: the workflow does not need it."""
    _run(main, "\nThis client has left. The workflow goes on without it.")


async def _until_terminated(main: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(main)
    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers, and no SIGTERM to speak of
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


def _run(main: Coroutine[Any, Any, None], interrupted: str) -> None:
    try:
        asyncio.run(main)
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(interrupted)
    except Exception as error:
        line = _in_one_line(error)
        if line is None:
            raise
        sys.exit(line)


def _in_one_line(error: Exception) -> str | None:
    """Return what to tell a person who has no use for a traceback; None where it is of use."""
    if isinstance(error, WorkflowFailureError):
        return f"The workflow failed: {error.cause}"
    if isinstance(error, ChildProcessError):
        return f"{error}\nIf a package is missing, `make setup` installs it."
    if isinstance(error, RuntimeError) and str(error).startswith("Failed client connect"):
        return (
            f"No Temporal server answers at {ADDRESS}. Start one with `make server`, or say where one is "
            "with TEMPORAL_ADDRESS=host:port."
        )
    return None


async def note_missing_worker(
    client: Client, task_queue: str, example: str, patience: float = WORKER_PATIENCE
) -> None:
    """Tell the person if nobody takes workflows from the queue. They start all the same, and wait."""
    deadline = time.monotonic() + patience
    while not await _is_polled(client, task_queue):
        if time.monotonic() >= deadline:
            print(
                f"(No worker is there: run `python -m examples.{example}.worker` in another terminal. "
                "The workflow waits for it.)",
                flush=True,
            )
            return
        await asyncio.sleep(0.2)


async def _is_polled(client: Client, task_queue: str) -> bool:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    try:
        description = await client.workflow_service.describe_task_queue(request, retry=True)
    except (
        RPCError
    ):  # a connection that was lost: the workflow's own start will say so, or the next look succeeds
        return False
    now = time.time()
    return any(now - poller.last_access_time.seconds < POLL_SECONDS for poller in description.pollers)
