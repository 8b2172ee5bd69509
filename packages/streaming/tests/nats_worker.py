"""A worker for tests to kill, which streams over NATS. Its model says a little and then hangs forever."""

import asyncio
import os
import sys

from packages.streaming.tests.nats_support import EndingWorkflow, NATSWorkflow
from packages.streaming.tests.streaming_support import LiveModel, play
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal_streaming import StreamingPlugin
from strands_temporal_streaming._run_ends import RunEnd
from strands_temporal_streaming.nats import NATSTransport


class DiesAtTheEnd(NATSTransport):
    """Ends this process when it has told the end of a run, before the server hears of it."""

    async def tell_end(self, client: Client, workflow_id: str, end: RunEnd) -> None:
        await super().tell_end(client, workflow_id, end)
        await (await self._connections.here().client()).flush()
        os._exit(0)


async def main(address: str, task_queue: str, nats: str, way: str = "") -> None:
    never = asyncio.Event()
    model = LiveModel(play("Once ", "upon ", never.wait))
    transport = (DiesAtTheEnd if way else NATSTransport)(nats)
    plugins = [StrandsPlugin(models={"live": lambda: model}), StreamingPlugin(transport=transport)]
    client = await Client.connect(address, plugins=plugins)
    async with Worker(client, task_queue=task_queue, workflows=[NATSWorkflow, EndingWorkflow]):
        await never.wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
