"""Asks two models and prints their answers: `python -m examples.models.client`."""

import asyncio
import os
import sys
import uuid

from temporalio.client import Client

from examples.models.workflow import TASK_QUEUE, ModelsWorkflow
from examples.support.failures import failure_in_one_line

PROMPT = "What is the capital of France?"


async def main(prompt: str) -> None:
    """Run one prompt."""
    client = await Client.connect(os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"))
    with failure_in_one_line():
        answers = await client.execute_workflow(
            ModelsWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
        )
    for name, answer in answers.items():
        print(f"{name}: {answer}")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or PROMPT))
