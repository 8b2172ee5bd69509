"""A worker that streams: run it with `python -m examples.streaming.worker`."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from examples.streaming.workflow import MODEL, TASK_QUEUE, StreamingWorkflow
from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from strands_temporal import StrandsPlugin
from strands_temporal_streaming import StreamingPlugin


async def main() -> None:
    """Run until interrupted."""
    async with chosen_model() as choice:
        plugins = [StrandsPlugin(models={MODEL: choice.factory}), StreamingPlugin()]
        client = await Client.connect(ADDRESS, plugins=plugins)
        worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[StreamingWorkflow],
            # How long the server holds a workflow for a worker that was killed. With the agent's short
            # heartbeat_timeout, another worker goes on within seconds.
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        )
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main())
