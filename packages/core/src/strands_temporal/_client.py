"""`ConversationClient`: a conversation from any process."""

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, cast

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from ._client_errors import UNPROCESSED, is_handed_over, raise_from, raise_if_cancelled, type_of
from ._client_requests import MOST_TIMEOUTS, Requests
from ._client_sending import sendable
from ._client_updates import is_not_ready, until_processed
from ._errors import AgentValueError
from ._wire.conversations import (
    AGENT_LIST_WORKFLOW,
    AGENT_WORKFLOW,
    CANCEL_TURN,
    CLOSE,
    MESSAGES,
    SEND,
    AgentDescription,
    ConversationStart,
    ConversationState,
    MessagesPage,
    TurnResult,
)
from ._wire.values import decode, encode_any


class ConversationClient:
    """A client of one conversation: of `AgentWorkflow`, or of any workflow with a `Conversation`.

        chat = await ConversationClient.start(client, "support", id="chat-1", task_queue="agents")
        print((await chat.send("Hello")).text)

    Works in any process with a client, and follows the conversation over continue-as-new. An error of the
    conversation is raised as its class (`ConversationBusyError`, ...). Any other error of a turn, for example
    of a hook, is a `WorkflowUpdateFailedError`, whose cause has the error's class name as its type.

    Args:
        client: A client with a data converter that can decode the workers' payloads. The pydantic converter,
            which `StrandsPlugin` sets, is recommended.
        workflow_id: Id of the workflow.
    """

    def __init__(self, client: Client, workflow_id: str) -> None:
        self._client = client
        self._workflow_id = workflow_id
        self._requests = Requests(client, workflow_id)
        self._first: tuple[str, Any] | None = None

    @classmethod
    async def start(
        cls,
        client: Client,
        agent: str,
        *,
        id: str,
        task_queue: str,
        arguments: Mapping[str, Any] | None = None,
        first_message: Any = None,
        first_message_id: str | None = None,
        **options: Any,
    ) -> "ConversationClient":
        """Start a conversation with an agent of `StrandsPlugin(agents=...)`, or join the one that runs.

        With `first_message`, one request starts the conversation and sends the message (update-with-start).
        `first_answer()` then returns its answer.

        Args:
            client: As for the class.
            agent: Name of the agent.
            id: Id of the workflow. If a conversation with this id runs, it goes on.
            task_queue: Task queue of the worker.
            arguments: Keyword arguments of the function that makes the agent, as JSON values.
            first_message: As for `send`.
            first_message_id: Id of its request, as for `send`.
            **options: Further options of `Client.start_workflow`: `memo`, `execution_timeout`, ...

        Raises:
            UnknownAgentError: If the worker has no agent of that name, and there is a first message.
            ConversationError: If the conversation does not take the first message.
            AgentTypeError: If the function that makes the agent does not take `arguments`, and there is a
                first message.
            PayloadTooLargeError: If the first message is too large for Temporal.
        """
        start = ConversationStart(agent, dict(arguments or {}))
        chat = cls(client, id)
        options.setdefault("id_conflict_policy", WorkflowIDConflictPolicy.USE_EXISTING)
        if first_message is None:
            await client.start_workflow(AGENT_WORKFLOW, start, id=id, task_queue=task_queue, **options)
            return chat
        request = first_message_id or str(uuid.uuid4())
        sent = await sendable(client, first_message)
        joins = options["id_conflict_policy"] == WorkflowIDConflictPolicy.USE_EXISTING
        for timeouts in itertools.count():
            operation: Any = WithStartWorkflowOperation(
                AGENT_WORKFLOW, start, id=id, task_queue=task_queue, **options
            )
            try:
                await chat._start_with(sent, request, operation)
                break
            except WorkflowUpdateRPCTimeoutOrCancelledError as error:
                with contextlib.suppress(asyncio.CancelledError, RPCError):  # as in `_start_with`
                    await operation.workflow_handle()
                raise_if_cancelled(error)
                if timeouts >= MOST_TIMEOUTS or not joins:
                    raise
        chat._first = request, first_message
        return chat

    async def _start_with(self, message: Any, request: str, operation: Any) -> None:
        """Start the workflow and send its first message."""
        accepted = WorkflowUpdateStage.ACCEPTED
        try:
            await self._client.start_update_with_start_workflow(
                SEND, message, wait_for_stage=accepted, id=request, start_workflow_operation=operation
            )
        except WorkflowUpdateFailedError as error:
            if type_of(error) == UNPROCESSED:
                await self._send_first_again(message, request)
            elif not is_handed_over(error):
                raise_from(self._requests.own(error), error)
        except RPCError as error:
            with contextlib.suppress(RPCError):  # else asyncio logs that nobody asked for the same error
                await operation.workflow_handle()
            if not is_not_ready(error):
                raise_from(await self._requests.why_closed(error), error)
            await self._send_first_again(message, request)

    async def _send_first_again(self, message: Any, request: str) -> None:
        """Send the first message to the workflow, which runs without it."""
        accepted = WorkflowUpdateStage.ACCEPTED
        again = partial(self.handle.start_update, SEND, message, wait_for_stage=accepted, id=request)
        await self._requests.answer(lambda: until_processed(again))

    @staticmethod
    async def agents(client: Client, task_queue: str) -> list[AgentDescription]:
        """Return the agents that the workers of a task queue offer. Runs a short workflow for that.

        Raises:
            WorkflowFailureError: If no worker with agents took the workflow within ten seconds.
        """
        return await client.execute_workflow(
            AGENT_LIST_WORKFLOW,
            id=f"strands-agents-{uuid.uuid4()}",
            task_queue=task_queue,
            result_type=list[AgentDescription],
            execution_timeout=timedelta(seconds=10),
        )

    @property
    def workflow_id(self) -> str:
        """Id of the workflow."""
        return self._workflow_id

    @property
    def handle(self) -> "WorkflowHandle[Any, Any]":
        """The workflow's handle, without a run: it follows continue-as-new."""
        return self._requests.handle

    async def send(self, message: Any, *, id: str | None = None) -> TurnResult:
        """Send a message, and wait for the end of its turn.

        Args:
            message: Text, a list of Strands' content blocks (with bytes), or typed data if the conversation
                takes it (`input_model`): a dict, a dataclass or a pydantic model.
            id: Id of the request. If the answer was lost, send the same message with the same id again: it
                has one turn, and both requests get its answer. By default a new id.

        Raises:
            ConversationBusyError: If a turn runs, and `while_busy="reject"`.
            ConversationFullError: If too many messages wait already, or they are too large together.
            ConversationClosedError: If the conversation has ended, or will take no more messages.
            TurnLimitReachedError: If it has had its turns.
            TokenBudgetExceededError: If it has used its tokens.
            AgentTypeError: If the message is neither text nor content blocks, nor typed data.
            AgentValueError: If it is empty, or does not fit the `input_model`.
            PayloadTooLargeError: If the message is too large for Temporal. Nothing was sent.
            WorkflowUpdateFailedError: If the turn failed. The conversation goes on.
            RPCError: If the workflow is not known, or the server cannot be reached.
        """
        request = id or str(uuid.uuid4())
        sent = await sendable(self._client, message)
        update = partial(self.handle.execute_update, SEND, sent, id=request, result_type=TurnResult)
        return await self._requests.answer(lambda: until_processed(update))

    async def first_answer(self) -> TurnResult:
        """Wait for the answer to the first message of `start`.

        Raises:
            AgentValueError: If there was no first message.
            Exception: As for `send`.
        """
        if self._first is None:
            raise AgentValueError("first_answer(): ConversationClient.start(...) had no first_message")
        request, message = self._first
        return await self.send(message, id=request)

    async def send_later(self, message: Any, *, id: str | None = None) -> None:
        """Send a message as a signal: return when the server has it, without its answer.

        Args:
            message: As for `send`. One that the conversation does not take is dropped: the worker's log and
                `state()` tell so.
            id: Id of the request, as for `send`.
        """
        await self.handle.signal(SEND, {"id": id or str(uuid.uuid4()), "message": encode_any(message)})

    async def cancel_turn(self) -> bool:
        """Stop the turn that runs, and wait for its end. Return whether one ran.

        If the server refuses the update because ten are in progress, this uses the signal.

        Raises:
            ConversationClosedError: If the conversation has ended.
        """
        return await self._requests.update_or_signal(CANCEL_TURN, bool, lambda outcome, _: outcome != "idle")

    async def close(self) -> ConversationState:
        """End the conversation after the turns of the messages that were sent before. Does not wait for that.

        `await chat.handle.result()` waits for the end. If the server refuses the update because ten are in
        progress, this uses the signal.

        Raises:
            ConversationClosedError: If the conversation has ended.
        """
        return await self._requests.update_or_signal(CLOSE, ConversationState, lambda _, state: state)

    async def state(self) -> ConversationState:
        """Return what the conversation does now. Works for an ended one too, while a worker is there."""
        return await self._requests.state()

    async def messages(self, start: int = 0) -> list[dict[str, Any]]:
        """Return the messages as Strands has them, from the index `start` on. Reads all pages.

        Args:
            start: Index of the first message. A negative one counts from the end.
        """
        messages: list[dict[str, Any]] = []
        following: int | None = start
        while following is not None:
            page = await self.handle.query(MESSAGES, args=[following], result_type=MessagesPage)
            messages += cast("list[dict[str, Any]]", decode(page.messages))
            following = page.next
        return messages
