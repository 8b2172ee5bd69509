"""Asks for something that needs tools: `python -m examples.tools.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.support.programs import ADDRESS, CALLS_NO_TOOLS, note_missing_worker, run_client
from examples.tools.workflow import TASK_QUEUE, ToolsWorkflow

PROMPT = "How often does the letter r occur in strawberry, and how much space is free on the disk of /?"


async def main(prompt: str) -> None:
    """Run one prompt."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "tools")
    answer = await client.execute_workflow(
        ToolsWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    calls = ", ".join(f"{name} ({count})" for name, count in answer.calls.items())
    print(f"Tools called: {calls or f'none ({CALLS_NO_TOOLS})'}")
    print(f"Result: {answer.text}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
