"""The worker of this example. Start it first; Ctrl+C ends it."""

import asyncio
import os

from temporalio.client import Client
from temporalio.worker import Worker

from examples.hello_world.workflow import MODEL, TASK_QUEUE, HelloWorldWorkflow
from examples.support.serving import chosen_model
from strands_temporal import StrandsPlugin


async def main() -> None:
    """Run until interrupted."""
    async with chosen_model() as choice:
        client = await Client.connect(
            os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"),
            plugins=[StrandsPlugin(models={MODEL: choice.factory})],
        )
        worker = Worker(client, task_queue=TASK_QUEUE, workflows=[HelloWorldWorkflow])
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("Worker ended.")
