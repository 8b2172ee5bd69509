"""Asks two models and prints their answers: `python -m examples.models.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.models.workflow import TASK_QUEUE, ModelsWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client

PROMPT = "What is the capital of France?"


async def main(prompt: str) -> None:
    """Run one prompt."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "models")
    answers = await client.execute_workflow(
        ModelsWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    for name, answer in answers.items():
        print(f"{name}: {answer}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
