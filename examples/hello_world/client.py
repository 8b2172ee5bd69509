"""Asks the agent and prints its answer: `python -m examples.hello_world.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.hello_world.workflow import TASK_QUEUE, HelloWorldWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client

PROMPT = "What is the capital of France?"


async def main(prompt: str) -> None:
    """Run one prompt."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "hello_world")
    result = await client.execute_workflow(
        HelloWorldWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    print(f"Result: {result}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
