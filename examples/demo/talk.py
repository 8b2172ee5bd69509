"""The demo's conversation with the agent, from a client's side."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from examples.demo import agents
from examples.demo.stage import NotShownError, Stage
from strands_temporal import ConversationClient, ConversationError, StrandsPlugin
from strands_temporal.testing import assert_replays
from strands_temporal_hitl import ApprovalsClient, HITLPlugin, PendingApproval
from strands_temporal_streaming import StreamingPlugin

_ANSWER_TIMEOUT = 180.0  # seconds; five attempts of a slow model on a small machine
_RPC_TIMEOUT = 30.0  # seconds
_LONGEST_CHAT = timedelta(hours=12)  # on a server of the user's, if the demo is killed
_POLL = 0.02  # seconds between two looks at the server

_MODEL_ACTIVITIES = ("invoke_model", "invoke_model_streaming")


@dataclass(frozen=True)
class Answer:
    """The agent's answer, and the seconds between the question and its arrival."""

    text: str
    seconds: float


class Talk:
    """One conversation.

    Args:
        setting: Where it takes place.
        client: A client of the server.
        chat: The conversation.
    """

    def __init__(self, setting: Stage, client: Client, chat: ConversationClient) -> None:
        self.id = chat.workflow_id
        self._setting = setting
        self._client = client
        self._chat = chat
        self._approvals = ApprovalsClient(client)

    @classmethod
    @asynccontextmanager
    async def begun(cls, setting: Stage) -> "AsyncGenerator[Talk]":
        """Begin the conversation. On a server of the user's it ends with the block."""
        config: dict[str, Any] = {**ClientConfig.load_client_connect_config(), "target_host": setting.address}
        client = await Client.connect(**config, plugins=_plugins())
        chat = await ConversationClient.start(
            client,
            setting.agent,
            id=f"{setting.agent}-{setting.show_id}",
            task_queue=setting.task_queue,
            arguments={"live": False},  # the show waits for the whole answer
            execution_timeout=None if setting.own_server else _LONGEST_CHAT,
        )
        try:
            yield cls(setting, client, chat)
        finally:
            if not setting.own_server:
                with contextlib.suppress(RPCError):  # it has ended, or the server is gone
                    await asyncio.wait_for(chat.handle.terminate("The demo ended"), _RPC_TIMEOUT)

    @property
    def url(self) -> str | None:
        """Its page in the Web UI."""
        ui = self._setting.ui_url
        return f"{ui}/namespaces/{self._client.namespace}/workflows/{self.id}" if ui else None

    async def ask(self, question: str) -> Answer:
        """Ask and wait for the answer, however many workers that takes.

        Raises:
            NotShownError: There was no answer, or it was empty.
        """
        asked = time.monotonic()
        sending = asyncio.create_task(self._chat.send(question))
        try:  # not `wait_for`: the SDK turns its cancellation into an error of its own
            if not (await asyncio.wait([sending], timeout=_ANSWER_TIMEOUT))[0]:
                raise NotShownError(f"No answer to {question!r} within {_ANSWER_TIMEOUT:.0f} s")
            text = sending.result().text.strip()
        except (WorkflowUpdateFailedError, ConversationError) as error:
            raise NotShownError(f"No answer to {question!r}: {_root_cause(error)}") from error
        finally:
            await _end(sending)
        if not text:
            raise NotShownError(f"The model gave an empty answer to {question!r}")
        return Answer(text, time.monotonic() - asked)

    @asynccontextmanager
    async def asking(self, question: str) -> "AsyncGenerator[asyncio.Task[Answer]]":
        """Ask, and run the block until the answer arrives. The task does not outlive the block."""
        turn = asyncio.create_task(self.ask(question))
        try:
            yield turn
        finally:
            await _end(turn)  # the block has awaited the task if its error matters

    async def close(self) -> None:
        """End the conversation."""
        await self._chat.close()
        await asyncio.wait_for(self._chat.handle.result(), _RPC_TIMEOUT)

    async def pending_model_call(self) -> PendingActivityInfo | None:
        """Return the model call that a worker is running, if any."""
        description = await asyncio.wait_for(self._chat.handle.describe(), _RPC_TIMEOUT)
        for pending in description.raw_description.pending_activities:
            running = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            if running and pending.activity_type.name in _MODEL_ACTIVITIES:
                return pending
        return None

    async def model_call_running(
        self, turn: "asyncio.Task[Answer]", attempt: int = 1
    ) -> PendingActivityInfo | None:
        """Wait until a worker runs the turn's model call, in this attempt or a later one.

        Returns None if the turn ended first.
        """
        while not turn.done():
            pending = await self.pending_model_call()
            if pending and pending.attempt >= attempt:
                return pending
            await asyncio.sleep(_POLL)
        return None

    async def question(self, turn: "asyncio.Task[Answer]") -> PendingApproval | None:
        """Wait until the agent asks a person. Returns None if the turn ended first."""
        while not turn.done():
            if (await self._chat.state()).status == "waiting_for_people":
                for pending in await self._approvals.pending(self.id):
                    return pending
            await asyncio.sleep(_POLL)
        return None

    async def approve(self, pending: PendingApproval, by: str) -> None:
        """Answer yes."""
        await self._approvals.approve(self.id, pending, by=by)

    async def history(self) -> WorkflowHistory:
        """Return the history so far."""
        return await asyncio.wait_for(self._chat.handle.fetch_history(), _RPC_TIMEOUT)

    async def replay(self, history: WorkflowHistory) -> None:
        """Run the agent's code against its history, without a server and without a model.

        Raises:
            NotShownError: The code deviated from the history.
        """
        try:
            await asyncio.wait_for(assert_replays(history, [], plugins=_plugins()), _ANSWER_TIMEOUT)
        except Exception as error:  # whatever a replay raises is the reason that it failed
            raise NotShownError(f"The history does not replay: {error}") from error


def _plugins() -> list[Any]:
    makers = {"assistant": agents.assistant, "helper": agents.helper}
    return [StrandsPlugin(models=agents.models, agents=makers), StreamingPlugin(), HITLPlugin()]


async def _end(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait([task], timeout=_RPC_TIMEOUT)
    if task.done() and not task.cancelled():
        task.exception()  # the show has already seen its error


def _root_cause(error: BaseException) -> str:
    while error.__cause__:
        error = error.__cause__
    return str(error) or type(error).__name__
