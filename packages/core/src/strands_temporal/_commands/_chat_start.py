"""How a chat begins: with a new conversation, or with one that runs."""

import os
import uuid
from dataclasses import replace

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from .. import ConversationClient
from .._errors import did_you_mean
from .._wire.conversations import ConversationStart
from ._chat import Chat
from ._chat_screen import Screen
from ._control import RunningDev
from ._leaving import Leaving, leaving_a_chat
from ._pollers import has_poller
from ._settings import TASK_QUEUE, CommandError, Settings


async def chat_here(leaving: Leaving, common: Settings, dev: RunningDev) -> int:
    """Chat with the agent of a `strands-temporal dev` in its own terminal. Return the exit code."""
    here = replace(common, address=dev.address, namespace=dev.namespace)
    return await begin(
        here, dev, agent=None, workflow=None, workflow_id=None, task_queue=None, leaving=leaving
    )


async def begin(
    common: Settings,
    dev: RunningDev | None,
    *,
    agent: str | None,
    workflow: str | None,
    workflow_id: str | None,
    task_queue: str | None,
    leaving: Leaving | None = None,
) -> int:
    """Start or find a conversation, chat, and return the exit code. The arguments are those of `chat`.

    `leaving` says what becomes of the conversation when the person leaves; by default it goes on.

    Raises:
        CommandError: There is no such agent or conversation, or no worker.
    """
    if dev is not None:
        os.environ.update(dev.env)
    client = await common.connect()
    queue = task_queue or (dev.task_queue if dev else TASK_QUEUE)
    running, status = await _queue_of(client, workflow_id) if workflow_id else (None, None)
    if status is not None and running is None and agent is None and workflow is None:
        raise CommandError(
            f"The conversation {workflow_id!r} has ended ({status}). "
            f"`strands-temporal history {workflow_id}` shows it. To start an empty one "
            "under this id, name its agent as well"
        )
    if running is None:
        workflow_id = await _start(client, dev, agent, workflow, workflow_id, queue)
        name = workflow_id.rpartition("-")[0] or workflow_id
    else:
        name, queue = agent or "agent", running
    if workflow_id is None:
        raise CommandError("No conversation was named")
    screen = Screen(json=common.json, name=name, is_new=running is None)
    screen.note(f"Conversation {workflow_id}. /help shows the commands.")
    if status is not None and running is None:
        screen.note(f"It is new and empty: the one before under this id has ended ({status}).")
    here = dev if dev and dev.task_queue == queue else None
    leaving = leaving or leaving_a_chat(common)
    return await Chat(client, workflow_id, queue, screen, here, leaving, common.timeout).run()


async def _queue_of(client: Client, workflow_id: str) -> tuple[str | None, str | None]:
    """Return the task queue of a running workflow, else None, and the status of a workflow that exists."""
    try:
        description = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None, None
        raise
    status = description.status
    is_running = status == WorkflowExecutionStatus.RUNNING
    return (description.task_queue if is_running else None), (status.name.lower() if status else "unknown")


async def _start(
    client: Client,
    dev: RunningDev | None,
    agent: str | None,
    workflow: str | None,
    workflow_id: str | None,
    task_queue: str,
) -> str:
    """Start a conversation and return its id."""
    if workflow_id and agent is None and workflow is None:
        raise CommandError(f"No conversation {workflow_id!r} runs. To start it, name its agent as well")
    if workflow is not None:
        workflow_id = workflow_id or _new_id(workflow)
        await client.start_workflow(workflow, ConversationStart(), id=workflow_id, task_queue=task_queue)
        return workflow_id
    known = await _agents(client, task_queue, dev)
    if not known:
        raise CommandError(
            f"The worker on task queue {task_queue!r} has no agents. Write "
            "`def support() -> TemporalAgent: ...` or StrandsPlugin(agents=...)"
        )
    if agent is None and len(known) > 1:
        raise CommandError(f"Which agent? strands-temporal chat AGENT. There are {', '.join(known)}")
    agent = agent or known[0]
    if agent not in known:
        raise CommandError(
            f"There is no agent {agent!r} on task queue {task_queue!r}.{did_you_mean(agent, known)} "
            f"Known: {', '.join(known)}"
        )
    workflow_id = workflow_id or _new_id(agent)
    await ConversationClient.start(client, agent, id=workflow_id, task_queue=task_queue)
    return workflow_id


def _new_id(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


async def _agents(client: Client, task_queue: str, dev: RunningDev | None) -> list[str]:
    """Return the names of the agents on a task queue.

    Raises:
        CommandError: No worker polls it, or its worker runs no agents by name.
    """
    if dev is not None and dev.task_queue == task_queue:
        return dev.agents
    if not await has_poller(client, task_queue):
        raise CommandError(
            f"No worker polls task queue {task_queue!r}. Start one with `strands-temporal dev FILE.py`, or "
            "name another queue with --task-queue"
        )
    try:
        return [agent.name for agent in await ConversationClient.agents(client, task_queue)]
    except WorkflowFailureError as error:
        raise CommandError(
            f"The worker on task queue {task_queue!r} has no agents: it needs StrandsPlugin(agents=...)"
        ) from error
