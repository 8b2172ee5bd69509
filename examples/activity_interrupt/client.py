"""Starts the agent, and asks you what it asks."""

import asyncio
import getpass
import os
import sys
import uuid

from temporalio.client import Client

from examples.activity_interrupt.workflow import TASK_QUEUE, ActivityInterruptWorkflow
from strands_temporal_hitl import ApprovalsClient

PROMPT = "Delete the thing called 'old-backup', please."


async def main(prompt: str) -> None:
    """Run one conversation."""
    client = await Client.connect(os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"))
    handle = await client.start_workflow(
        ActivityInterruptWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    result = asyncio.create_task(handle.result())
    approvals = ApprovalsClient(client)
    while not result.done():
        for pending in await approvals.pending(handle.id):
            print(f"{pending.question}\n{pending.tool} {pending.arguments} [y/n] ", end="", flush=True)
            answer = await asyncio.to_thread(sys.stdin.readline)
            decide = approvals.approve if answer.strip().lower() == "y" else approvals.reject
            await decide(handle.id, pending, by=getpass.getuser())
        await asyncio.wait([result], timeout=0.5)
    print(f"Result: {await result}")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or PROMPT))
