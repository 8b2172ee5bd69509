"""A worker for tests to kill. Its model says a little and then hangs forever."""

import asyncio
import sys

from packages.streaming.tests.streaming_support import LiveModel, play
from packages.streaming.tests.test_publisher import HeartbeatWorkflow
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin


async def main(address: str, task_queue: str) -> None:
    never = asyncio.Event()
    model = LiveModel(play("Once ", "upon ", never.wait))
    client = await Client.connect(address, plugins=[StrandsPlugin(models={"live": lambda: model})])
    async with Worker(client, task_queue=task_queue, workflows=[HeartbeatWorkflow]):
        await never.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
