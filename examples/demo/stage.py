"""The parts behind the show: server, model, worker processes, and the conversation with the workflow."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from strands.models import Model
from strands.types.content import Messages
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.service import RPCError

from examples.demo.history import MODEL_ACTIVITIES
from examples.demo.screen import Screen
from examples.demo.settings import NotShownError, heartbeat_timeout
from examples.demo.worker import identity
from examples.demo.workflow import MODEL, ChatInput, ChatWorkflow
from examples.support.child import ChildProcess
from examples.support.llama_server import llama_server
from examples.support.model_choice import ModelChoice, choose_model
from strands_temporal import ComposablePlugin, StrandsPlugin
from strands_temporal.testing import DevServer, assert_replays
from strands_temporal_streaming import StreamingPlugin

_ANSWER_TIMEOUT = 180.0  # seconds; five attempts of a slow model on a small machine
_RPC_TIMEOUT = 30.0  # seconds
_LONGEST_CHAT = timedelta(hours=12)
_POLL = 0.02  # seconds between two looks at the server

_SOURCES = {
    "TEMPORAL_ADDRESS": "the Temporal server that TEMPORAL_ADDRESS names",
    "environment": "Temporal dev server",
    "PATH": "Temporal dev server, from the CLI on your PATH",
    "SDK download": "Temporal dev server, downloaded by the Temporal SDK",
}
"""What `DevServer.source` means, for a person."""


@dataclass(frozen=True)
class Answer:
    """The model's answer, and the seconds between the question and its arrival."""

    text: str
    seconds: float


class Worker:
    """A worker process, killed and replaced during the show.

    Attributes:
        name: Its identity in the history.
    """

    def __init__(self, process: ChildProcess, label: str) -> None:
        self.process = process
        self.name = identity(label, process.pid)


class Stage:
    """Server, model and worker of one show. Made by `stage`."""

    def __init__(
        self, server: DevServer, model: ModelChoice, model_env: dict[str, str], folder: Path
    ) -> None:
        self.server = server
        self.model = model
        self.folder = folder
        self.show_id = uuid4().hex[:8]  # a server of the user's may hold other shows
        self.task_queue = f"strands-temporal-demo-{self.show_id}"
        self.heartbeat_timeout = heartbeat_timeout()
        self._model_env = model_env
        self._worker: Worker | None = None
        self._workers_started = 0
        self._conversation: Conversation | None = None
        self.plugins = (StrandsPlugin(models={MODEL: _no_model}), StreamingPlugin())

    @property
    def worker(self) -> Worker:
        """The running worker."""
        if self._worker is None:
            raise RuntimeError("No worker runs. Call start_worker() first")
        return self._worker

    @property
    def worker_is_dead(self) -> bool:
        """Whether the last worker was killed and has no successor yet."""
        return self.worker.process.ended

    @property
    def worker_log(self) -> Path:
        """The output of all workers."""
        return self.folder / "workers.log"

    async def start_worker(self) -> Worker:
        """Start the first worker, or the successor of a killed one."""
        self._workers_started += 1
        label = f"worker-{self._workers_started}"
        process = await ChildProcess.start(
            "examples.demo.worker",
            self.server.address,
            self.task_queue,
            label,
            log=self.worker_log,
            env=self._model_env,
        )
        self._worker = Worker(process, label)
        return self._worker

    async def kill_worker(self) -> None:
        """End the worker with SIGKILL."""
        await self.worker.process.kill()

    async def stop_worker(self) -> None:
        """Shut the worker down gracefully."""
        if self._worker:
            await self._worker.process.stop()

    async def start_conversation(self, *, streaming: bool = False) -> "Conversation":
        """Connect to the server and start the chat. With `streaming`, answers can be read as they arrive."""
        client = await Client.connect(self.server.address, plugins=self.plugins)
        handle = await client.start_workflow(
            ChatWorkflow.run,
            ChatInput(
                tools=self.model.calls_tools,
                streaming=streaming,
                heartbeat_timeout=self.heartbeat_timeout,
            ),
            id=f"chat-{self.show_id}",
            task_queue=self.task_queue,
            execution_timeout=_LONGEST_CHAT,
        )
        self._conversation = Conversation(client, handle, self.plugins)
        return self._conversation

    async def leave_nothing_running(self) -> None:
        """End a chat that nobody ended, because a server of the user's outlives this demo."""
        if self._conversation:
            with contextlib.suppress(RPCError):  # the chat has completed, or the server is gone
                await asyncio.wait_for(self._conversation.handle.terminate("The demo ended"), _RPC_TIMEOUT)


class Conversation:
    """One chat, seen from a client."""

    def __init__(
        self, client: Client, handle: WorkflowHandle[ChatWorkflow, None], plugins: Sequence[ComposablePlugin]
    ) -> None:
        self.client = client
        self.handle = handle
        self._plugins = plugins

    def url(self, ui_url: str) -> str:
        """Return the page of this workflow in the Web UI."""
        run_id = self.handle.first_execution_run_id
        return f"{ui_url}/namespaces/{self.client.namespace}/workflows/{self.handle.id}/{run_id}/history"

    async def ask(self, question: str) -> Answer:
        """Ask and wait for the answer, however many workers that takes.

        Raises:
            NotShownError: There was no answer, or it was empty.
        """
        asked = time.monotonic()
        update = asyncio.create_task(self.handle.execute_update(ChatWorkflow.turn, question))
        try:  # not `wait_for`: the SDK turns its cancellation into an error of its own
            if not (await asyncio.wait([update], timeout=_ANSWER_TIMEOUT))[0]:
                raise NotShownError(f"No answer to {question!r} within {_ANSWER_TIMEOUT:.0f} s")
            text = update.result()
        except WorkflowUpdateFailedError as error:
            raise NotShownError(f"No answer to {question!r}: {_root_cause(error)}") from error
        finally:
            await _end(update)
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

    async def pending_model_call(self) -> PendingActivityInfo | None:
        """Return the model call that a worker is running, if any."""
        description = await asyncio.wait_for(self.handle.describe(), _RPC_TIMEOUT)
        for pending in description.raw_description.pending_activities:
            running = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            if running and pending.activity_type.name in MODEL_ACTIVITIES:
                return pending
        return None

    async def model_call_running(
        self, turn: "asyncio.Task[Any]", attempt: int = 1
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

    async def messages(self) -> Messages:
        """Return the workflow's conversation so far."""
        return await asyncio.wait_for(self.handle.query(ChatWorkflow.messages), _RPC_TIMEOUT)

    async def history(self) -> WorkflowHistory:
        """Return the history so far."""
        return await asyncio.wait_for(self.handle.fetch_history(), _RPC_TIMEOUT)

    async def history_bytes(self) -> int:
        """Return the size of the history, as the server counts it."""
        description = await asyncio.wait_for(self.handle.describe(), _RPC_TIMEOUT)
        return description.raw_description.workflow_execution_info.history_size_bytes

    async def end(self) -> None:
        """End the chat, so that its workflow completes."""
        await self.handle.signal(ChatWorkflow.end_chat)
        await asyncio.wait_for(self.handle.result(), _ANSWER_TIMEOUT)

    async def replay(self, history: WorkflowHistory) -> None:
        """Run the workflow's code against its history, without a server and without a model.

        Raises:
            NotShownError: The code deviated from the history.
        """
        try:
            await asyncio.wait_for(
                assert_replays(history, [ChatWorkflow], plugins=self._plugins), _ANSWER_TIMEOUT
            )
        except Exception as error:  # whatever a replay raises is the reason that it failed
            raise NotShownError(f"The history does not replay: {error}") from error


@asynccontextmanager
async def stage(screen: Screen, folder: Path) -> AsyncGenerator[Stage]:
    """Set everything up, show its parts, and tear it down at the end.

    Args:
        screen: Where to show the parts.
        folder: For the database and the logs.
    """
    model = choose_model()
    async with AsyncExitStack() as cleanup:
        async with screen.waiting("Looking for a Temporal server"):
            server = await cleanup.enter_async_context(
                DevServer(ui=True, db_filename=folder / "temporal.db", progress=screen.note)
            )
        screen.fact("server", f"{_SOURCES.get(server.source, server.source)}, at {server.address}")
        screen.fact("model", model.label)
        model_env: dict[str, str] = {}
        if model.needs_llama_server:
            async with screen.waiting("Loading the model"):
                model_env = await cleanup.enter_async_context(llama_server(folder / "llama.log"))
        setting = Stage(server, model, model_env, folder)
        cleanup.push_async_callback(setting.stop_worker)
        cleanup.push_async_callback(setting.leave_nothing_running)
        async with screen.waiting("Starting a worker"):
            worker = await setting.start_worker()
        screen.fact("worker", f"{worker.name}, a process of its own")
        yield setting


async def _end(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    await asyncio.wait([task], timeout=_RPC_TIMEOUT)
    if task.done() and not task.cancelled():
        task.exception()  # the show has already seen its error


def _root_cause(error: BaseException) -> str:
    while error.__cause__:
        error = error.__cause__
    return str(error) or type(error).__name__


def _no_model() -> Model:
    raise AssertionError("Only workers call the model: this process never should")
