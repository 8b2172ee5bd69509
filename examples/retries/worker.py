"""The worker of this example. Start it first; Ctrl+C ends it.

    python -m examples.retries.worker [FAILURES]

FAILURES is the number of attempts of each model call that fail, 2 by default. With 3 the agent gives up.
"""

import logging
import sys

from temporalio.client import Client
from temporalio.worker import Worker

from examples.retries.unsteady import Unsteady
from examples.retries.workflow import MODEL, TASK_QUEUE, RetriesWorkflow
from examples.support.programs import ADDRESS, run_worker
from examples.support.serving import chosen_model
from strands_temporal import StrandsPlugin


async def main(failures: int) -> None:
    """Run until interrupted."""
    logging.getLogger("temporalio.activity").setLevel(logging.ERROR)  # hides each failed attempt's traceback
    async with chosen_model() as choice:
        plugin = StrandsPlugin(models={MODEL: lambda: Unsteady(choice.factory(), failures)})
        client = await Client.connect(ADDRESS, plugins=[plugin])
        worker = Worker(client, task_queue=TASK_QUEUE, workflows=[RetriesWorkflow])
        print(f"Worker started, with {choice.label}. Ctrl+C to exit.", flush=True)
        await worker.run()


if __name__ == "__main__":
    run_worker(main(int(sys.argv[1]) if sys.argv[1:] else 2))
