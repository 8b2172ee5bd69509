"""Starts the agent, and asks you what it asks."""

import asyncio
import os
import sys
import uuid

from temporalio.client import Client, WorkflowExecutionStatus

from examples.human_in_the_loop.workflow import TASK_QUEUE, HumanInTheLoopWorkflow

PROMPT = "Delete the file /tmp/report.txt, please."  # nothing is deleted


async def main(prompt: str) -> None:
    """Run one conversation."""
    client = await Client.connect(os.environ.get("TEMPORAL_ADDRESS", "localhost:7233"))
    handle = await client.start_workflow(
        HumanInTheLoopWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    while (await handle.describe()).status == WorkflowExecutionStatus.RUNNING:
        question = await handle.query(HumanInTheLoopWorkflow.pending_approval)
        if question:
            print(f"{question} [y/n] ", end="", flush=True)
            answer = await asyncio.to_thread(sys.stdin.readline)
            await handle.signal(
                HumanInTheLoopWorkflow.approve, "approve" if answer.strip().lower() == "y" else "deny"
            )
        await asyncio.sleep(0.5)
    print(f"Result: {await handle.result()}")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or PROMPT))
