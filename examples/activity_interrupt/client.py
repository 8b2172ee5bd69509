"""Starts the agent and puts its questions to you."""

import asyncio
import getpass
import sys
import uuid

from temporalio.client import Client

from examples.activity_interrupt.workflow import TASK_QUEUE, ActivityInterruptWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client
from strands_temporal_hitl import (
    ApprovalsClient,
    ApprovalsEndedError,
    ApprovalsUnreachableError,
    PendingApproval,
)

PROMPT = "Delete the thing called 'old-backup', please."


async def main(prompt: str) -> None:
    """Run one conversation."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "activity_interrupt")
    handle = await client.start_workflow(
        ActivityInterruptWorkflow.run, prompt, id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    result = asyncio.create_task(handle.result())
    approvals = ApprovalsClient(client)
    while not result.done():
        try:
            for pending in await approvals.pending(handle.id):
                await ask(approvals, handle.id, pending)
        except ApprovalsUnreachableError as error:  # no worker runs now: nothing is lost, so ask again
            print(f"({error})", flush=True)
        except ApprovalsEndedError as error:  # it ended without the answer
            print(f"({error})", flush=True)
            break
        await asyncio.wait([result], timeout=0.5)
    print(f"Result: {await result}")


async def ask(approvals: ApprovalsClient, workflow_id: str, pending: PendingApproval) -> None:
    """Show the question to the person and send their answer to the workflow."""
    print(f"{pending.question}\n{pending.tool} {pending.arguments} [y/n] ", end="", flush=True)
    answer = await asyncio.to_thread(sys.stdin.readline)
    decide = approvals.approve if answer.strip().lower() == "y" else approvals.reject
    await decide(workflow_id, pending, by=getpass.getuser())


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
