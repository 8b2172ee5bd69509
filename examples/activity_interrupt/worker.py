"""The worker of this example. Start it first; Ctrl+C ends it."""

import asyncio
import os
import sys

from temporalio.client import Client
from temporalio.worker import Worker

from examples.activity_interrupt.workflow import MODEL, TASK_QUEUE, ActivityInterruptWorkflow, delete_thing
from examples.support.model_choice import choose_model
from strands_temporal import StrandsPlugin
from strands_temporal_hitl import HITLPlugin


async def main() -> None:
    """Run the worker."""
    choice = choose_model()
    if not choice.calls_tools:
        sys.exit(f"This example needs a model that calls tools, not {choice.label}. See its README.md.")
    client = await Client.connect(
        os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"),
        plugins=[StrandsPlugin(models={MODEL: choice.factory}), HITLPlugin()],
    )
    worker = Worker(
        client, task_queue=TASK_QUEUE, workflows=[ActivityInterruptWorkflow], activities=[delete_thing]
    )
    print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main())
