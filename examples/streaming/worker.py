"""A worker that streams: run it with `python -m examples.streaming.worker`."""

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from examples.streaming.workflow import MODEL, TASK_QUEUE, StreamingWorkflow
from examples.support.llama_server import llama_server
from examples.support.model_choice import choose_model
from strands_temporal import StrandsPlugin
from strands_temporal_streaming import StreamingPlugin


async def main() -> None:
    """Run until interrupted."""
    choice = choose_model()
    async with AsyncExitStack() as stack:
        if choice.needs_llama_server:
            log = Path(tempfile.gettempdir()) / "strands-streaming-model.log"
            os.environ |= await stack.enter_async_context(llama_server(log))
        client = await Client.connect(
            os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"),
            plugins=[StrandsPlugin(models={MODEL: choice.factory}), StreamingPlugin()],
        )
        worker = Worker(client, task_queue=TASK_QUEUE, workflows=[StreamingWorkflow])
        print(f"Model: {choice.label}")
        print("Worker started. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("Worker ended.")
