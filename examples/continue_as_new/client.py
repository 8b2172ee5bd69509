"""A chat in the terminal: `python -m examples.continue_as_new.client`."""

import asyncio
import contextlib
import sys
import uuid

from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowUpdateFailedError

from examples.continue_as_new.workflow import TASK_QUEUE, ChatWorkflow
from examples.support.programs import ADDRESS, note_missing_worker, run_client
from strands_temporal import ConversationClient, ConversationStart, StrandsPlugin

HELP = "Type a question, /next for a new run, /again to send the last question again, /quit to end."


async def main() -> None:
    """Chat until `/quit`, or the end of the input."""
    client = await Client.connect(ADDRESS, plugins=[StrandsPlugin()])
    await note_missing_worker(client, TASK_QUEUE, "continue_as_new")
    handle = await client.start_workflow(
        ChatWorkflow.run, ConversationStart(), id=f"{TASK_QUEUE}-{uuid.uuid4()}", task_queue=TASK_QUEUE
    )
    chat = ConversationClient(client, handle.id)
    runs = [handle.first_execution_run_id]
    print(HELP)
    request, question = "", ""
    while (line := await typed()) != "/quit":
        if line == "/next" and question:
            await next_run(client, chat)
        elif line == "/again" and question:
            await turn(chat, runs, question, request)
        elif not line.startswith("/"):
            request, question = str(uuid.uuid4()), line
            await turn(chat, runs, question, request)
        else:
            print(HELP)
    await chat.close()
    await chat.handle.result()
    print("Chat ended.")


async def typed() -> str:
    """Return the next line that is not empty, or `/quit` at the end of the input."""
    print("you> ", end="", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip():
            return line.strip()
    return "/quit"


async def next_run(client: Client, chat: ConversationClient) -> None:
    """Move the chat to a new run, and wait until that run has started."""
    run_id = (await chat.state()).run_id
    run = client.get_workflow_handle_for(ChatWorkflow.run, chat.workflow_id, run_id=run_id)
    await run.signal(ChatWorkflow.move_on)
    with contextlib.suppress(WorkflowContinuedAsNewError):  # waits only for this run, not for the next one
        await run.result(follow_runs=False)


async def turn(chat: ConversationClient, runs: list[str | None], question: str, request: str) -> None:
    """Send one turn and print the answer. A repeated id means the same turn, in any run."""
    try:
        answer = await chat.send(question, id=request)
    except WorkflowUpdateFailedError as error:
        print(f"No answer: {error.cause}")
        return
    run = (await chat.state()).run_id
    if run not in runs:
        runs.append(run)
    print(f"agent> {answer.text.strip()}\n(run {len(runs)}, {len(await chat.messages())} messages)")


if __name__ == "__main__":
    run_client(main())
