"""Asks the agent and prints its answer: `python -m examples.hello_world.client`."""

import asyncio
import os
import sys
import uuid

from temporalio.client import Client

from examples.hello_world.workflow import TASK_QUEUE, HelloWorldWorkflow
from examples.support.failures import failure_in_one_line

PROMPT = "What is the capital of France?"


async def main(prompt: str) -> None:
    """Run one prompt."""
    client = await Client.connect(os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"))
    with failure_in_one_line():
        result = await client.execute_workflow(
            HelloWorldWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
        )
    print(f"Result: {result}")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or PROMPT))
