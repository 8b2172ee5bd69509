"""A worker for tests to kill while it runs a command in a sandbox."""

import asyncio
import sys
from pathlib import Path

from packages.core.tests.worker.sandbox_scenes import Directories, Operations
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin


async def main(address: str, task_queue: str, kind: str, parent: str) -> None:
    factory = NotASandboxLocalEnvironment if kind == "local" else Directories(Path(parent))
    client = await Client.connect(address, plugins=[StrandsPlugin(sandboxes={"box": factory})])
    # Without a cache: the server would try the dead worker's own queue first.
    async with Worker(client, task_queue=task_queue, workflows=[Operations], max_cached_workflows=0):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
