"""Starts the agent and prints its answer: `python -m examples.mcp.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.mcp.workflow import TASK_QUEUE, MCPWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client

PROMPT = "Use the echo tool with the message: durable execution"


async def main(prompt: str) -> None:
    """Run one prompt."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "mcp")
    workflow_id = f"{TASK_QUEUE}-{uuid.uuid4()}"
    answer = await client.execute_workflow(MCPWorkflow.run, prompt, id=workflow_id, task_queue=TASK_QUEUE)
    print(f"Tools of the agent: {', '.join(answer.tools)}")
    print(f"Called: {answer.calls or 'none'}")
    print(f"Result: {answer.text}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
