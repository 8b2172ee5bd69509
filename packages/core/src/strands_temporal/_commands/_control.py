"""How the processes of one machine find and speak to a running `strands-temporal dev`.

The parent listens on a Unix socket in a folder that only its user can enter, and writes a file beside it that
says where its server is. `chat` and the other commands read that file. `dev`'s worker connects to the socket
to say what it serves; `chat` connects to have the worker killed. A message is one line of JSON.
"""

import asyncio
import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_ANSWER_TIMEOUT = 5.0  # seconds
_LONGEST_MESSAGE = 1 << 20  # bytes
_SUFFIXES = ("json", "part", "sock", "log")
"""Of the files of one `strands-temporal dev`."""


@dataclass(frozen=True)
class RunningDev:
    """A `strands-temporal dev` that runs on this machine.

    Attributes:
        pid: Its process id.
        address: Its Temporal server, host:port.
        namespace: The namespace of its worker.
        task_queue: The task queue of its worker.
        ui_url: The Web UI of its server, or None.
        agents: Names of its agents.
        socket: Path of the socket on which it listens.
        env: Variables by which its worker finds the services beside it.
        console_url: Address of its console, or None.
    """

    pid: int
    address: str
    namespace: str
    task_queue: str
    socket: str
    ui_url: str | None = None
    agents: list[str] = field(default_factory=list[str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    console_url: str | None = None

    async def kill_worker(self) -> int | None:
        """Have the worker process killed with SIGKILL. Return its id; None if none runs.

        Raises:
            OSError: It does not answer.
        """
        return (await ask(self.socket, {"do": "kill-worker"})).get("killed")


def runtime_folder() -> Path:
    """Return the folder for sockets, which only this user can enter. Creates it.

    Raises:
        OSError: If another user has a folder of that name.
    """
    return private_folder(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())


def private_folder(base: str) -> Path:
    """Return a folder in `base` that only this user can enter. Creates it.

    Raises:
        OSError: As for `runtime_folder`.
    """
    folder = Path(base) / f"strands-temporal-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise OSError(f"{folder} is not a folder that only you can enter. Remove it, or set XDG_RUNTIME_DIR")
    return folder


def running_devs() -> list[RunningDev]:
    """Return the `strands-temporal dev` that run now, the newest first. Removes files of those that died."""
    try:
        files = list(runtime_folder().glob("dev-*.json"))
    except OSError:
        return []
    found = [(started, dev) for started, dev in map(_read, files) if dev is not None]
    return [dev for _, dev in sorted(found, key=lambda one: one[0], reverse=True)]


def _read(file: Path) -> tuple[float, RunningDev | None]:
    """Return when a `strands-temporal dev` wrote its file, and what it wrote; None if it no longer runs."""
    try:
        started, dev = file.stat().st_mtime, RunningDev(**json.loads(file.read_text()))
        os.kill(dev.pid, 0)
    except ProcessLookupError:
        for suffix in _SUFFIXES:
            file.with_suffix(f".{suffix}").unlink(missing_ok=True)
    except (OSError, ValueError, TypeError):  # being removed, or of another release
        pass
    else:
        return started, dev
    return 0.0, None


async def ask(socket: str, message: dict[str, Any]) -> dict[str, Any]:
    """Send a message and return the answer.

    Raises:
        OSError: If nobody listens or answers.
    """

    async def exchange() -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(socket, limit=_LONGEST_MESSAGE)
        try:
            writer.write(json.dumps(message).encode() + b"\n")
            await writer.drain()
            return json.loads(await reader.readline() or b"{}")
        finally:
            writer.close()

    try:
        return await asyncio.wait_for(exchange(), _ANSWER_TIMEOUT)
    except (asyncio.TimeoutError, ValueError) as error:
        raise OSError(f"{socket} does not answer: {error or 'time-out'}") from error


class Control:
    """The parent's side: the socket and the file, while the `async with` block runs.

    Args:
        answer: Called with each message; returns the answer.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self._answer = answer
        self._stem = runtime_folder() / f"dev-{os.getpid()}"
        self.socket = str(self._stem.with_suffix(".sock"))

    async def __aenter__(self) -> "Control":
        self._remove()  # the files of a process that had our id and was killed
        self._server = await asyncio.start_unix_server(self._serve, self.socket, limit=_LONGEST_MESSAGE)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._remove()

    def file(self, suffix: str) -> Path:
        """Return the path of a file beside the socket. It is removed at the end."""
        return self._stem.with_suffix(f".{suffix}")

    def _remove(self) -> None:
        for suffix in _SUFFIXES:
            self.file(suffix).unlink(missing_ok=True)

    def publish(self, running: RunningDev) -> None:
        """Let other commands find this process."""
        file, part = self.file("json"), self.file("part")
        part.write_text(json.dumps(asdict(running)))
        part.replace(file)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):  # the other side is gone, or sent no JSON
            message = json.loads(await reader.readline())
            writer.write(json.dumps(self._answer(message)).encode() + b"\n")
            await writer.drain()
        writer.close()
