"""The worker of this example. Start it first; Ctrl+C ends it."""

from temporalio.client import Client
from temporalio.worker import Worker

from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from examples.tool_interrupt.agent import CLEANER, MODEL, TASK_QUEUE
from strands_temporal import StrandsPlugin
from strands_temporal_hitl import HITLPlugin


async def main() -> None:
    """Run until interrupted."""
    async with chosen_model(must_call_tools=True) as choice:
        plugins = [StrandsPlugin(models={MODEL: choice.factory}, agents={"cleaner": CLEANER}), HITLPlugin()]
        client = await Client.connect(ADDRESS, plugins=plugins)
        worker = Worker(client, task_queue=TASK_QUEUE)
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main())
