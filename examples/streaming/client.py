"""Starts the agent and prints its answer while it arrives: `python -m examples.streaming.client`."""

import sys
import uuid

from temporalio.client import Client

from examples.streaming.workflow import TASK_QUEUE, TOPIC, StreamingWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client
from strands_temporal_streaming import (
    AgentStream,
    AttemptFailed,
    AttemptRestarted,
    End,
    TextDelta,
    ToolCall,
    ToolResult,
)

PROMPT = "Count from 1 to 5, one number per sentence."


async def main(prompt: str) -> None:
    """Run one prompt and show the answer twice: as it arrives, and whole."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "streaming")
    workflow_id = f"{TASK_QUEUE}-{uuid.uuid4()}"
    handle = await client.start_workflow(StreamingWorkflow.run, prompt, id=workflow_id, task_queue=TASK_QUEUE)
    async for event in AgentStream(client, workflow_id, topic=TOPIC):
        match event:
            case TextDelta(text=text):
                print(text, end="", flush=True)
            case AttemptFailed(error=error):
                print(f"\n[{error}; this does not count]", flush=True)
            case AttemptRestarted():
                print("\n[once more, from the start]", flush=True)
            case ToolCall(name=name, input=arguments):
                print(f"\n[{name} {arguments}]", flush=True)
            case ToolResult(text=text):
                print(f"[{text}]", flush=True)
            case End(status=status):
                print(f"\n[{status}]")
            case _:
                pass
    print(f"Final result: {await handle.result()}")


if __name__ == "__main__":
    run_client(main(" ".join(sys.argv[1:]) or PROMPT))
