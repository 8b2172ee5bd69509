"""The worker of this example. Start it first; kill it while the agent works, and start it again."""

from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import Worker

from examples.coding_agent.sandbox import FACTORY
from examples.coding_agent.script import scripted_coder
from examples.coding_agent.workflow import BOX, MODEL, TASK_QUEUE, CodingWorkflow
from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from strands_temporal import StrandsPlugin


async def main() -> None:
    """Run until interrupted."""
    async with chosen_model(must_call_tools=True) as choice:
        factory = scripted_coder if choice.scripted else choice.factory
        plugins = [StrandsPlugin(models={MODEL: factory}, sandboxes={BOX: FACTORY})]
        client = await Client.connect(ADDRESS, plugins=plugins)
        worker = Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=[CodingWorkflow],
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),  # how long a killed worker is missed
        )
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main())
