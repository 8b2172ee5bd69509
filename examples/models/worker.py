"""The worker of this example, with two models. Start it first; Ctrl+C ends it."""

from temporalio.client import Client
from temporalio.worker import Worker

from examples.models.workflow import CHOSEN, SMALL, TASK_QUEUE, ModelsWorkflow
from examples.support.model_choice import choose_model, small_model
from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import small_model_served
from strands_temporal import StrandsPlugin


async def main() -> None:
    """Run until interrupted."""
    chosen, small = choose_model(), small_model()
    # The worker calls a factory at the model's first use, and keeps the model while it runs.
    plugin = StrandsPlugin(models={CHOSEN: chosen.factory, SMALL: small.factory})
    async with small_model_served():
        client = await Client.connect(ADDRESS, plugins=[plugin])
        worker = Worker(client, task_queue=TASK_QUEUE, workflows=[ModelsWorkflow])
        print(f"{CHOSEN}: {chosen.label}")
        print(f"{SMALL}: {small.label}")
        print("Worker started. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main())
