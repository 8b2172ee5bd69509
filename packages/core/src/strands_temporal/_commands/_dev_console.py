"""The browser console of `strands-temporal dev`: its port is open at once, its process runs when it is used.

The console comes from another package, as the command `console` (entry point group
`strands_temporal.commands`). It is a process of its own, which gets the open socket. If it dies, the next
request starts another one.
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import IO, Any

from ..testing._supervisor import Supervised
from ._dev_screen import DevScreen
from ._settings import GROUP, CommandError, Settings

CONSOLE_PORT = 8234
"""Its usual port, beside the Web UI's."""

_NEEDS = ("ag_ui", "starlette", "uvicorn")
"""What the extra `web` installs."""

_POLL = 0.2  # seconds
_PAUSE = 1.0  # seconds between two starts, at least


def missing_extra() -> str | None:
    """Return what to install for the console; None if everything is there."""
    there = any(point.name == "console" for point in entry_points(group=GROUP))
    if there and all(find_spec(name) for name in _NEEDS):
        return None
    return 'For a console in the browser: pip install "strands-temporal[web]"'


class DevConsole:
    """Keeps the console's port open while the `async with` block runs.

    Args:
        settings: The connection.
        task_queue: The worker's task queue.
        port: The port that was asked for; None is the usual one, or a free one if that is taken.
        screen: Shows what happens.
        output: Returns the file that the process writes to.
        env: Variables by which the worker finds the services beside it.

    Attributes:
        url: Where the console is.
    """

    def __init__(
        self,
        settings: Settings,
        task_queue: str,
        port: int | None,
        screen: DevScreen,
        output: Callable[[], IO[Any]],
        env: Mapping[str, str],
    ) -> None:
        self._settings = settings
        self._task_queue = task_queue
        self._screen = screen
        self._output = output
        self._env = env
        self._asked = asyncio.Event()
        self._socket = _listening(port)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    async def __aenter__(self) -> "DevConsole":
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        self._socket.close()

    def prepare(self) -> None:
        """Start the process before somebody asks, which takes a few seconds."""
        self._asked.set()

    async def _keep(self) -> None:
        while True:
            await self._somebody_asks()
            started = time.monotonic()
            process = self._start()
            try:
                while (code := process.wait(0)) is None:  # noqa: ASYNC110  # a process tells nobody
                    await asyncio.sleep(_POLL)
            finally:
                await asyncio.shield(asyncio.to_thread(process.end))
            self._screen.note(f"The console ended with exit code {code}. The next request starts another one")
            await asyncio.sleep(max(0.0, started + _PAUSE - time.monotonic()))

    async def _somebody_asks(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._asked.set)
        try:
            await self._asked.wait()
        finally:
            loop.remove_reader(self._socket)
            self._asked.clear()

    def _start(self) -> Supervised:
        config = self._settings.connect_config()
        options: Sequence[str] = (
            f"--address={config['target_host']}",
            f"--namespace={config['namespace']}",
            f"--task-queue={self._task_queue}",
            f"--listen-fd={self._socket.fileno()}",
        )
        command = [sys.executable, "-m", "strands_temporal._commands", "console", *options]
        given = {
            "--codec-endpoint": self._settings.codec_endpoint,
            "--data-converter": self._settings.data_converter,
        }
        command += [f"{name}={value}" for name, value in given.items() if value]
        auth = {"TEMPORAL_CODEC_AUTH": self._settings.codec_auth} if self._settings.codec_auth else {}
        return Supervised(
            command,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._env, **auth},
            output=self._output(),
            pass_fds=(self._socket.fileno(),),
        )


def _listening(port: int | None) -> socket.socket:
    """Return a socket that listens on this machine alone.

    Raises:
        CommandError: The port that was asked for is taken.
    """
    for one in (port,) if port else (CONSOLE_PORT, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", one or 0))
            listener.listen(128)
        except OSError as error:
            listener.close()
            if port:
                raise CommandError(f"--console-port {port}: {error.strerror or error}") from error
            continue
        listener.setblocking(False)
        return listener
    raise CommandError("No port is free for the console. Add --no-console")
