"""A worker that traces: run it with `python -m examples.tracing.worker`."""

from temporalio.client import Client
from temporalio.worker import Worker

from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from examples.tracing.spans import print_spans
from examples.tracing.workflow import MODEL, TASK_QUEUE, TracingWorkflow
from strands_temporal import StrandsPlugin
from strands_temporal_otel import OTelPlugin


async def main() -> None:
    """Run until interrupted. The rest of the trace is sent when the worker ends."""
    async with chosen_model() as choice:
        plugins = [OTelPlugin(), StrandsPlugin(models={MODEL: choice.factory})]
        client = await Client.connect(ADDRESS, plugins=plugins)
        print_spans()
        worker = Worker(client, task_queue=TASK_QUEUE, workflows=[TracingWorkflow])
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main())
