"""The worker of this example. Start it first; Ctrl+C ends it."""

from temporalio.client import Client
from temporalio.worker import Worker

from examples.a2a_server.conversation import AGENTS, MODEL, TASK_QUEUE, book_room
from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from strands_temporal import StrandsPlugin


async def main() -> None:
    """Run until interrupted."""
    async with chosen_model() as choice:
        plugin = StrandsPlugin(models={MODEL: choice.factory}, agents=AGENTS)
        client = await Client.connect(ADDRESS, plugins=[plugin])
        worker = Worker(client, task_queue=TASK_QUEUE, activities=[book_room])
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main())
