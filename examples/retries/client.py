"""Asks, and waits while Temporal retries: `python -m examples.retries.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.retries.workflow import TASK_QUEUE, RetriesWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client

PROMPT = "What is the capital of France?"


async def main(prompt: str) -> None:
    """Run one prompt."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "retries")
    result = await client.execute_workflow(
        RetriesWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    print(f"Result: {result}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
