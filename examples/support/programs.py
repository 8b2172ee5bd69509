"""How an example's programs treat a person: server address, one-line errors, and Ctrl+C."""

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

CALLS_NO_TOOLS = (
    "the small model on this machine cannot call any; a worker with STRANDS_TEMPORAL_MODEL=scripted shows it"
)
"""Said by a client that has seen no tool call."""

POLL_SECONDS = 70
"""A worker that asked for work within this time is running: each asks at least every minute. The server
remembers for five minutes who asked."""

WORKER_PATIENCE = 10.0
"""Seconds to wait for a worker, because both programs may have been started together."""


def run_worker(main: Coroutine[Any, Any, None]) -> None:
    """Run a worker's program until Ctrl+C or a supervisor's SIGTERM. Both shut it down gracefully."""
    _run(_until_terminated(main), "Worker ended.")


def run_client(main: Coroutine[Any, Any, None]) -> None:
    """Run a client's program. Ctrl+C ends only the client: the workflow goes on without it."""
    _run(main, "\nThis client has left. The workflow goes on without it.")


async def _until_terminated(main: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(main)
    with contextlib.suppress(NotImplementedError):  # Windows has no such handlers and no real SIGTERM
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
    """Return one line for an error whose traceback helps nobody; None if the traceback helps."""
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
    """Tell the person if no worker polls the queue. A workflow still starts, and waits."""
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
    ):  # the connection was lost: the start of the workflow will report it, or the next check works
        return False
    now = time.time()
    return any(now - poller.last_access_time.seconds < POLL_SECONDS for poller in description.pollers)
