"""The A2A server: `python -m examples.a2a_server.server`. It keeps nothing that a restart could lose."""

import uvicorn
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.apps import A2AStarletteApplication
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentSkill, Part, TextPart
from a2a.utils import new_task
from starlette.applications import Starlette
from temporalio.client import Client, WorkflowUpdateFailedError

from examples.a2a_server.conversation import AGENT, TASK_QUEUE
from examples.support.programs import ADDRESS, run_worker
from strands_temporal import ConversationClient, ConversationError

PORT = 9009


class DurableExecutor(AgentExecutor):
    """Passes each message on to the conversation's workflow, and its answer back.

    Args:
        client: A client of the Temporal server. It needs no plugin.
        task_queue: The task queue of the conversations' workers.
    """

    def __init__(self, client: Client, task_queue: str = TASK_QUEUE) -> None:
        self._client = client
        self._task_queue = task_queue

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Answer a message. The first one of a conversation starts its workflow."""
        message = context.message
        if message is None:
            raise ValueError("A request without a message")
        task = context.current_task
        if task is None:
            task = new_task(message)
            await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work()
        chat = await ConversationClient.start(
            self._client, AGENT, id=workflow_id(task.context_id), task_queue=self._task_queue
        )
        text = context.get_user_input()
        answers = [
            {"interruptResponse": {"interruptId": question["id"], "response": text}}
            for question in (await chat.state()).questions
        ]
        try:
            result = await chat.send(answers or text, id=message.message_id)
        except (ConversationError, WorkflowUpdateFailedError) as error:
            failure = error.cause if isinstance(error, WorkflowUpdateFailedError) else error
            await updater.failed(updater.new_agent_message([_text(str(failure))]))
            return
        if result.interrupts:
            asked = " ".join(str(question["reason"]) for question in result.interrupts)
            await updater.requires_input(updater.new_agent_message([_text(asked)]), final=True)
            return
        await updater.add_artifact([_text(result.text)], name="answer", last_chunk=True)
        await updater.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        """Stop what the agent does."""
        if context.task_id is None or context.context_id is None:
            raise ValueError("A request without a task")
        await ConversationClient(self._client, workflow_id(context.context_id)).cancel_turn()
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


def workflow_id(context_id: str) -> str:
    """Return the id of a conversation's workflow."""
    return f"a2a-{context_id}"


def application(executor: AgentExecutor, url: str) -> Starlette:
    """Return the server as a web application.

    Args:
        executor: What answers the messages.
        url: The server's public address, for its card.
    """
    skill = AgentSkill(id="book_room", name="book_room", description="Books a room.", tags=["travel"])
    card = AgentCard(
        name="rooms",
        description="Books rooms.",
        url=url,
        version="1.0.0",
        skills=[skill],
        default_input_modes=["text"],
        default_output_modes=["text"],
        capabilities=AgentCapabilities(streaming=True),
    )
    handler = DefaultRequestHandler(agent_executor=executor, task_store=InMemoryTaskStore())
    return A2AStarletteApplication(agent_card=card, http_handler=handler).build()


def _text(text: str) -> Part:
    return Part(root=TextPart(text=text))


async def main() -> None:
    """Serve until interrupted."""
    client = await Client.connect(ADDRESS)
    app = application(DurableExecutor(client), f"http://127.0.0.1:{PORT}/")
    print(f"A2A server at http://127.0.0.1:{PORT}. Ctrl+C to exit.", flush=True)
    await uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=PORT, log_level="warning")).serve()


if __name__ == "__main__":
    run_worker(main())
