"""A worker for tests to kill, which streams over NATS. Its model says a little and then hangs forever."""

import asyncio
import sys

from packages.streaming.tests.nats_support import NATSWorkflow
from packages.streaming.tests.streaming_support import LiveModel, play
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal_streaming import StreamingPlugin
from strands_temporal_streaming.nats import NATSTransport


async def main(address: str, task_queue: str, nats: str) -> None:
    never = asyncio.Event()
    model = LiveModel(play("Once ", "upon ", never.wait))
    plugins = [StrandsPlugin(models={"live": lambda: model}), StreamingPlugin(transport=NATSTransport(nats))]
    client = await Client.connect(address, plugins=plugins)
    async with Worker(client, task_queue=task_queue, workflows=[NATSWorkflow]):
        await never.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
