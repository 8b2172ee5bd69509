"""A chat in the terminal: `python -m examples.continue_as_new.client`."""

import asyncio
import contextlib
import sys
import uuid

from temporalio.client import (
    Client,
    WorkflowContinuedAsNewError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)

from examples.continue_as_new.workflow import TASK_QUEUE, Chat, ChatWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client

HELP = "Type a question, /next for a new run, /again to send the last question again, /quit to end."


async def main() -> None:
    """Chat until `/quit`, or the end of the input."""
    client = await Client.connect(ADDRESS)
    await note_missing_worker(client, TASK_QUEUE, "continue_as_new")
    chat = await client.start_workflow(
        ChatWorkflow.run, Chat(), id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    print(HELP)
    update_id, question = "", ""
    while (line := await typed()) != "/quit":
        if line == "/next":
            await next_run(client, chat.id)
        elif line == "/again" and question:
            await turn(chat, question, update_id)
        elif not line.startswith("/"):
            update_id, question = str(uuid.uuid4()), line
            await turn(chat, question, update_id)
        else:
            print(HELP)
    await chat.signal(ChatWorkflow.end)
    await chat.result()
    print("Chat ended.")


async def typed() -> str:
    """Return the next line that is not empty, or `/quit` at the end of the input."""
    print("you> ", end="", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            return line.strip()
    return "/quit"


async def next_run(client: Client, chat_id: str) -> None:
    """Move the chat to a new run, and wait until that run has started."""
    run_id = (await client.get_workflow_handle(chat_id).describe()).run_id
    run = client.get_workflow_handle_for(ChatWorkflow.run, chat_id, run_id=run_id)
    await run.signal(ChatWorkflow.move_on)
    with contextlib.suppress(WorkflowContinuedAsNewError):  # waits only for this run, not for the next one
        await run.result(follow_runs=False)


async def turn(chat: WorkflowHandle[ChatWorkflow, None], question: str, update_id: str) -> None:
    """Send one turn and print the answer. A repeated id means the same turn, in any run."""
    try:
        answer = await chat.execute_update(ChatWorkflow.turn, question, id=update_id)
    except WorkflowUpdateFailedError as error:
        print(f"No answer: {error.cause}")
        return
    status = await chat.query(ChatWorkflow.status)
    print(f"agent> {answer}\n(run {status.run}, {status.messages} messages)")


if __name__ == "__main__":
    run_client(main())
