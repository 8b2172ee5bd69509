"""Asks for something that needs a tool, and prints the hooks' notes: `python -m examples.hooks.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.hooks.workflow import TASK_QUEUE, HooksWorkflow
from examples.support.programs import ADDRESS, CALLS_NO_TOOLS, note_missing_worker, run_client

PROMPT = "How often does the letter r occur in strawberry?"


async def main(prompt: str) -> None:
    """Run one prompt."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "hooks")
    answer = await client.execute_workflow(
        HooksWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    print(f"Noted in the workflow: {', '.join(answer.notes)}")
    if all(note.startswith("model ") for note in answer.notes):
        print(f"Recorded by the activity: nothing, no tool was called ({CALLS_NO_TOOLS})")
    print(f"Result: {answer.text}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
