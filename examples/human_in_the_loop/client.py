"""Starts the agent and puts its questions to you."""

import asyncio
import sys
import uuid

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from examples.human_in_the_loop.workflow import TASK_QUEUE, HumanInTheLoopWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client

PROMPT = "Delete the file /tmp/report.txt, please."  # the example deletes nothing


async def main(prompt: str) -> None:
    """Run one conversation."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "human_in_the_loop")
    handle = await client.start_workflow(
        HumanInTheLoopWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    result = asyncio.create_task(handle.result())
    while not result.done():
        if question := await pending(handle):
            print(f"{question} [y/n] ", end="", flush=True)
            answer = await asyncio.to_thread(sys.stdin.readline)
            await handle.signal(
                HumanInTheLoopWorkflow.approve, "approve" if answer.strip().lower() == "y" else "deny"
            )
        await asyncio.sleep(0.5)
    print(f"Result: {await result}")


async def pending(handle: WorkflowHandle[HumanInTheLoopWorkflow, str]) -> str | None:
    """Return the open question, if there is one.

    A query needs a worker and a workflow that is not paused. A signal needs neither.
    """
    try:
        return await handle.query(HumanInTheLoopWorkflow.pending_approval)
    except (RPCError, ValueError):  # no worker runs now, or it is paused: nothing is lost, ask again
        return None


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
