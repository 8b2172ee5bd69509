"""The requests of `ConversationClient`: each is sent to the next run of the workflow, until one answers."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from ._client_errors import (
    ENDED_BEFORE_ANSWER,
    is_handed_over,
    own_error,
    raise_from,
    raise_if_cancelled,
    type_of,
)
from ._client_sending import NO_ROOM, signal_and_wait
from ._client_updates import until_processed
from ._errors import ConversationClosedError
from ._wire.conversations import STATE, ConversationState

T = TypeVar("T")

MOST_TIMEOUTS = 10
"""How often a request is sent again, under its id, after the server had no answer within a time of its own.
It says so when it restarts or has too much to do; nobody has given a timeout."""

_LONGEST_PAUSE = 0.5  # seconds between two questions to a run that is about to continue as new


class Requests:
    """Asks one conversation, and follows it over continue-as-new.

    Args:
        client: As for `ConversationClient`.
        workflow_id: Id of the workflow.
    """

    def __init__(self, client: Client, workflow_id: str) -> None:
        self._client = client
        self._workflow_id = workflow_id

    @property
    def handle(self) -> "WorkflowHandle[Any, Any]":
        """The workflow's handle, without a run."""
        return self._client.get_workflow_handle(self._workflow_id)

    async def state(self) -> ConversationState:
        """Query for the state."""
        return await self.handle.query(STATE, result_type=ConversationState)

    async def update_or_signal(
        self, name: str, result_type: type[T], answer: Callable[[str, ConversationState], T]
    ) -> T:
        """Send an update. If the run has no room for it, signal and return `answer(outcome, state)`."""
        request = str(uuid.uuid4())

        async def ask() -> T:
            try:
                update = partial(self.handle.execute_update, name, id=request, result_type=result_type)
                return await until_processed(update)
            except RPCError as error:
                if error.status not in NO_ROOM:
                    raise
                return answer(*await signal_and_wait(self.handle, name, request, self.state, error))

        return await self.answer(ask)

    async def answer(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask each next run of the workflow, until one answers.

        Raises:
            Exception: An error of the conversation as its own class, or Temporal's.
        """
        pause, timeouts = 0.0, 0
        while True:
            began = time.monotonic()
            try:
                return await ask()
            except WorkflowUpdateFailedError as error:  # a try for each run of the workflow
                if is_handed_over(error) or (type_of(error) == ENDED_BEFORE_ANSWER and await self._runs()):
                    # A run that waits for the user's own handlers refuses at once, until it continues as new.
                    refused_at_once = time.monotonic() - began < _LONGEST_PAUSE
                    pause = min(max(2 * pause, 0.01), _LONGEST_PAUSE) if refused_at_once else 0.0
                    await asyncio.sleep(pause)
                    continue
                raise_from(self.own(error), error)
            except WorkflowUpdateRPCTimeoutOrCancelledError as error:
                raise_if_cancelled(error)
                timeouts += 1
                if timeouts > MOST_TIMEOUTS:
                    raise
                await asyncio.sleep(_LONGEST_PAUSE)
            except RPCError as error:
                raise_from(await self.why_closed(error), error)

    def own(self, error: WorkflowUpdateFailedError) -> Exception:
        """Return an error of a conversation as its own class, and any other as it is."""
        if type_of(error) == ENDED_BEFORE_ANSWER:
            return ConversationClosedError(f"The conversation {self._workflow_id!r} ended before it answered")
        return own_error(error.cause) or error

    async def why_closed(self, error: RPCError) -> Exception:
        """Return the error for a workflow that takes no update: what ended it, or that it has ended."""
        if error.status != RPCStatusCode.NOT_FOUND:
            return error
        try:
            status = (await self.handle.describe()).status
        except RPCError:
            return error  # there is no such workflow
        if status == WorkflowExecutionStatus.FAILED:
            try:
                await self.handle.result()
            except WorkflowFailureError as failure:
                if (own := own_error(failure.cause)) is not None:
                    return own
        name = status.name.lower() if status else "unknown"
        return ConversationClosedError(f"The conversation {self._workflow_id!r} has ended ({name})")

    async def _runs(self) -> bool:
        return (await self.handle.describe()).status == WorkflowExecutionStatus.RUNNING
