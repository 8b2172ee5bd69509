"""The demo's worker, in its own process so that it can be killed.

Its arguments are the server's address, the task queue and its own name.
"""

import asyncio
import logging
import os
import sys
import threading
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from examples.demo.workflow import MODEL, ChatWorkflow, current_time
from examples.support.child import announce, on_parent_exit
from examples.support.model_choice import choose_model
from strands_temporal import StrandsPlugin
from strands_temporal_streaming import StreamingPlugin

_EXIT_TIMEOUT = 5.0  # seconds for a graceful shutdown


def identity(name: str, pid: int) -> str:
    """Return the identity that a worker has in the history."""
    return f"{name} (pid {pid})"


async def run_worker(address: str, task_queue: str, name: str) -> None:
    """Run a worker until the process that started this one is gone."""
    parent_gone = asyncio.Event()
    _end_with_parent(parent_gone)
    plugins = [StrandsPlugin(models={MODEL: choose_model().factory}), StreamingPlugin()]
    client = await Client.connect(address, plugins=plugins)
    worker = Worker(
        client,
        task_queue=task_queue,
        workflows=[ChatWorkflow],
        activities=[current_time],
        identity=identity(name, os.getpid()),
        # How long the server holds a task for the worker that has the workflow in its cache. In the demo that
        # worker is dead, and with the usual ten seconds the demo would seem to hang.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
    )
    async with worker:
        announce("ready")
        await parent_gone.wait()


def _end_with_parent(parent_gone: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def end() -> None:
        loop.call_soon_threadsafe(parent_gone.set)
        # If the parent was killed, the server is gone too, and a graceful shutdown might wait for it.
        exit_anyway = threading.Timer(_EXIT_TIMEOUT, os._exit, [1])
        exit_anyway.daemon = True
        exit_anyway.start()

    on_parent_exit(end)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(run_worker(*sys.argv[1:]))
