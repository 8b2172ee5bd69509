"""Starts the agent and waits. A person decides in another terminal."""

import sys
import uuid

from temporalio.client import Client

from examples.support.programs import ADDRESS, note_missing_worker, run_client
from examples.tool_interrupt.workflow import TASK_QUEUE, ToolInterruptWorkflow

PROMPT = "Delete the thing called 'old-backup', please."


async def main(prompt: str) -> None:
    """Run one conversation."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "tool_interrupt")
    handle = await client.start_workflow(
        ToolInterruptWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    print("Started. When it asks, decide in another terminal:")
    print(f"  python -m strands_temporal_hitl show {handle.id}")
    print(f"  python -m strands_temporal_hitl approve {handle.id}", flush=True)
    print(f"Result: {await handle.result()}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
