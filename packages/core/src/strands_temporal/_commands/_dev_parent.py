"""The parent of `strands-temporal dev`: owns the server, the local model and one worker process.

Each of them runs under a supervisor that ends it no later than this process, even if this process is killed.
The parent replaces the worker when a watched file changes and when the worker dies. It waits for a change
while the user's module cannot be served.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

from ..testing._supervisor import Supervised
from ._control import Control, RunningDev
from ._dev_console import DevConsole, missing_extra
from ._dev_extra import ExtraService
from ._dev_models import LOCAL
from ._dev_screen import DevScreen
from ._dev_services import LocalModel, Ports, Server, temporal_server
from ._dev_watch import Watch
from ._dev_worker import FAILED, Order
from ._settings import CommandError, Settings

START_TIMEOUT = 120.0
"""Seconds for a worker to be ready. Imports alone take ten on a loaded machine."""

_POLL = 0.1  # seconds between two looks at the processes
_STEADY = 10.0  # seconds; a worker that ran longer is replaced at once
_LONGEST_PAUSE = 30.0  # seconds before a worker that keeps dying is tried again


@dataclass(frozen=True)
class DevOptions:
    """What was typed after `dev`.

    Attributes:
        target: The target.
        task_queue: `--task-queue`.
        model: `--model`.
        ports: Where the server goes.
        reload: Whether a change of a file replaces the worker.
        nats: Whether a NATS server runs beside the worker.
        console: Whether to serve the console.
        console_port: Its port, if one was asked for.
    """

    target: str
    task_queue: str
    model: str
    ports: Ports
    reload: bool = True
    nats: bool = False
    console: bool = True
    console_port: int | None = None


class DevParent:
    """Runs the server and the worker until `stop`.

    Args:
        options: What was typed.
        settings: The common options. With an address it starts no server.
        watch: Watches the user's files.
        screen: Shows what happens.
        chat: A chat in this terminal, which begins when the first worker is ready. Its end, with an exit
            code, is the end of everything. The worker then writes to a file.
    """

    def __init__(
        self,
        options: DevOptions,
        settings: Settings,
        watch: Watch,
        screen: DevScreen,
        chat: Callable[[Settings, RunningDev], Coroutine[Any, Any, int]] | None = None,
    ) -> None:
        self._options = options
        self._settings = settings
        self._watch = watch
        self._screen = screen
        self._task: asyncio.Task[Any] | None = None
        self._stopping = False
        self._worker: Supervised | None = None
        self._number = 0
        self._worker_said: dict[str, Any] = {}
        self._model_said: dict[str, Any] = {}
        self._model: LocalModel | None = None
        self._nats: ExtraService | None = None
        self._output: IO[Any] = sys.stderr
        self._console: DevConsole | None = None
        self._chat = chat
        self._chatting: asyncio.Task[int] | None = None

    def stop(self) -> None:
        """End everything. The second call kills the worker, which otherwise finishes its calls."""
        if self._stopping:
            self._kill_worker()
        elif self._task:
            self._stopping = True
            self._task.cancel()

    async def run(self) -> int:
        """Run until `stop`, or until the end of the chat. Return the exit code.

        Raises:
            CommandError: Something that this process starts does not start, or has died.
        """
        self._task = asyncio.current_task()
        self._hear(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        try:
            async with AsyncExitStack() as stack:
                await self._run(stack)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        chatting = self._chatting
        return chatting.result() if chatting and chatting.done() and not chatting.cancelled() else 0

    def _hear(self, *signals: signal.Signals) -> None:
        for number in signals:
            asyncio.get_running_loop().add_signal_handler(number, self.stop)

    async def _run(self, stack: AsyncExitStack) -> None:
        control = await stack.enter_async_context(Control(self._answer))
        server = await stack.enter_async_context(
            temporal_server(self._settings, self._options.ports, self._screen)
        )
        self._screen.server(server.address, server.ui_url, started=server.own is not None)
        self._settings = replace(self._settings, address=server.address)
        if self._options.model == LOCAL:
            self._model = await stack.enter_async_context(
                LocalModel(control.socket, lambda: self._model_said)
            )
        if self._options.nats:
            self._nats = await stack.enter_async_context(
                ExtraService("nats", "strands-temporal-streaming[nats]")
            )
            self._screen.note(f"NATS {self._nats.url}: what agents stream goes over it")
        if self._options.reload:
            await stack.enter_async_context(self._watch)
        if self._chat:
            self._output = stack.enter_context(control.file("log").open("w"))
            self._screen.note(f"Worker's output: {self._output.name}")
            stack.push_async_callback(self._end_chat)
        if self._options.console:
            await self._open_console(stack)
        stack.push_async_callback(self._end_worker)
        await self._keep_worker(server, control)

    async def _open_console(self, stack: AsyncExitStack) -> None:
        missing = missing_extra()
        if missing is not None:
            self._screen.note(missing)
            return
        options = self._options
        console = DevConsole(
            self._settings,
            options.task_queue,
            options.console_port,
            self._screen,
            lambda: self._output,
            self._nats.env if self._nats else {},
        )
        self._console = await stack.enter_async_context(console)
        self._screen.console(console.url)

    async def _keep_worker(self, server: Server, control: Control) -> None:
        quick_deaths = 0
        while True:
            started = time.monotonic()
            self._start_worker(control.socket)
            code = await self._until_it_ends(server, control)
            if code is None:
                self._screen.changed(self._watch.take())
                await self._end_worker()
                quick_deaths = 0
            elif code == FAILED and self._worker_said:
                quick_deaths = 0
                self._failed()
                await self._pause(server, None)
            else:
                quick_deaths = quick_deaths + 1 if time.monotonic() - started < _STEADY else 0
                pause = 0.0 if quick_deaths < 2 else min(2.0 ** (quick_deaths - 2), _LONGEST_PAUSE)
                self._screen.died(self._number, code, pause)
                await self._end_worker()
                await self._pause(server, pause)

    def _start_worker(self, control: str) -> None:
        self._number += 1
        self._worker_said = {}
        options = self._options
        settings = asdict(self._settings)
        order = Order(self._number, options.target, options.task_queue, options.model, control, settings)
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **(self._model.env if self._model else {})}
        env.update(self._nats.env if self._nats else {})
        command = [sys.executable, "-m", "strands_temporal._commands._dev_worker", order.to_json()]
        # Blocks for some 50 ms. In a thread, a cancelled start would lose the process.
        self._worker = Supervised(command, env=env, output=self._output)

    async def _until_it_ends(self, server: Server, control: Control) -> int | None:
        """Wait for the end of the worker. Return its exit code; None if a file changed first.

        Raises:
            CommandError: The server or the local model has died.
        """
        worker, deadline, is_ready = self._worker, time.monotonic() + START_TIMEOUT, False
        assert worker is not None  # noqa: S101  # it was started just before
        while True:
            code = worker.wait(0)
            if self._worker_said and not is_ready:
                is_ready = True
                self._watch.add(self._worker_said["files"])
                if self._worker_said["event"] == "ready":
                    self._ready(server, control)
            if code is not None:
                return code
            if self._watch.changed:
                return None
            if not is_ready and time.monotonic() > deadline:
                self._screen.note(f"The worker was not ready after {START_TIMEOUT:.0f} s: it is killed")
                self._kill_worker()
            self._check(server)
            await asyncio.sleep(_POLL)

    def _ready(self, server: Server, control: Control) -> None:
        said = self._worker_said
        namespace = self._settings.connect_config()["namespace"]
        running = RunningDev(
            os.getpid(),
            server.address,
            namespace,
            self._options.task_queue,
            control.socket,
            server.ui_url,
            said["agents"],
            self._nats.env if self._nats else {},
            self._console.url if self._console else None,
        )
        control.publish(running)
        self._screen.ready(
            {k: v for k, v in said.items() if k not in ("event", "files")}, self._options.task_queue
        )

        if self._console and self._number == 1 and not self._chat and not self._settings.json:
            self._console.prepare()
        if self._chat and self._chatting is None:
            self._chatting = asyncio.create_task(self._chat(self._settings, running))
            self._chatting.add_done_callback(self._chat_ended)

    def _chat_ended(self, _: "asyncio.Task[int]") -> None:
        self._hear(signal.SIGINT)  # the chat had it
        if not self._stopping:
            self.stop()

    async def _end_chat(self) -> None:
        if self._chatting and not self._chatting.done():
            self._chatting.cancel()
            await asyncio.wait({self._chatting})

    def _failed(self) -> None:
        text = self._worker_said["text"]
        if not self._options.reload or (self._number == 1 and self._worker_said.get("final")):
            raise CommandError(text)
        self._screen.failed(text, waits=True)

    async def _pause(self, server: Server, seconds: float | None) -> None:
        """Wait for a change of a file, at most `seconds`."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._watch.changed and (end is None or time.monotonic() < end):
            self._check(server)
            await asyncio.sleep(_POLL)
        if self._watch.changed:
            self._screen.changed(self._watch.take())

    def _check(self, server: Server) -> None:
        server.check()
        if self._model:
            self._model.check()
        if self._nats:
            self._nats.check()

    async def _end_worker(self) -> None:
        worker = self._worker
        if worker is None:
            return
        if self._stopping:
            self._screen.ending()
        await asyncio.to_thread(worker.end)  # a second Ctrl+C may kill it meanwhile
        self._worker = None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)  # what a killed worker had started and left behind

    def _kill_worker(self) -> int | None:
        worker = self._worker
        if worker is None or worker.wait(0) is not None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
        return worker.pid

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer a message on the socket: of the worker, of the local model, or of another command."""
        if message.get("do") == "kill-worker":
            return {"killed": self._kill_worker()}
        if message.get("event") == "model":
            self._model_said = message
        elif message.get("event") and message.get("number") == self._number:
            self._worker_said = message
        return {}
