"""What `strands-temporal dev` runs beside the worker: a Temporal dev server, and the small local model."""

import asyncio
import fcntl
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..testing import DevServer, DevServerError
from ..testing._supervisor import Supervised
from ._control import private_folder
from ._dev_models import NoModelError, check_local
from ._dev_screen import DevScreen
from ._local_model import KEY_VARIABLE, URL_VARIABLE
from ._settings import CommandError, Settings

PORT, UI_PORT = 7233, 8233
"""Ports of `temporal server start-dev`, so that other tools find the server without an option."""

MODEL_TIMEOUT = 120.0  # seconds for the local model to be ready, on a loaded machine
_POLL = 0.1  # seconds


@dataclass(frozen=True)
class Ports:
    """`--port`, `--ui-port` and `--db-filename`."""

    port: int | None = None
    ui_port: int | None = None
    db_filename: Path | None = None


@dataclass(frozen=True)
class Server:
    """The Temporal server to use.

    Attributes:
        address: host:port.
        ui_url: Address of its Web UI, if known.
        own: The server that this process started, or None.
    """

    address: str
    ui_url: str | None = None
    own: DevServer | None = None

    def check(self) -> None:
        """Notice that the server has died.

        Raises:
            CommandError: It has.
        """
        if self.own is not None and not self.own.is_running:
            raise CommandError(f"The Temporal dev server at {self.address} has died. Start again")


@asynccontextmanager
async def temporal_server(settings: Settings, ports: Ports, screen: DevScreen) -> AsyncGenerator[Server]:
    """Yield the server that an option or the environment names, or one that runs while the block runs.

    Raises:
        CommandError: It does not answer, or does not start.
    """
    config, given = settings.connect_config(), settings.given_address
    if given is not None:
        if ports != Ports():
            raise CommandError(
                f"--port, --ui-port and --db-filename are for a server that dev starts, and {given} is given "
                "by --address, TEMPORAL_ADDRESS or Temporal's configuration file"
            )
        await settings.connect()
        yield Server(given, os.environ.get("TEMPORAL_UI_ADDRESS"))
        return
    server = await _started(str(config["namespace"]), ports, screen)
    try:
        yield Server(server.address, server.ui_url, server)
    finally:
        await server.stop()


async def _started(namespace: str, ports: Ports, screen: DevScreen) -> DevServer:
    """Start a dev server at the ports that were asked for, else at the usual ones, else at free ones.

    Raises:
        CommandError: It does not start.
    """
    port, ui_port = ports.port or _claimed(PORT), ports.ui_port or _claimed(UI_PORT)
    if port is None:
        screen.note(
            f"Port {PORT} is taken: this server gets another one. To use a Temporal server that is there, "
            f"add --address localhost:{PORT}"
        )
    server = DevServer(
        ui=True,
        db_filename=ports.db_filename,
        namespace=namespace,
        port=port,
        ui_port=ui_port,
        progress=screen.note,
    )
    try:
        await server.start()
    except DevServerError as error:
        raise CommandError(str(error)) from error
    return server


_CLAIMS: list[IO[Any]] = []
"""Locked files, for as long as this process lives."""


def _claimed(port: int) -> int | None:
    """Return a port if nobody has it, and no other `dev` is about to take it; else None."""
    claim = (private_folder(tempfile.gettempdir()) / f"port-{port}.lock").open("w")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another one starts at this moment, and would answer in place of our server
        claim.close()
        return None
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            return None
    _CLAIMS.append(claim)
    return port


class LocalModel:
    """The small model in a process of its own. It ends with this process.

    Args:
        control: Path of the socket on which it says where it is.
        said: Returns what it has said so far.

    Attributes:
        env: Variables with which a worker reaches it.
    """

    def __init__(self, control: str, said: Callable[[], dict[str, Any]]) -> None:
        self.env: dict[str, str] = {}
        self._control = control
        self._said = said

    async def __aenter__(self) -> "LocalModel":
        try:
            check_local()
        except NoModelError as error:
            raise CommandError(str(error)) from error
        key = secrets.token_urlsafe(16)
        command = [sys.executable, "-m", "strands_temporal._commands._local_model", self._control]
        self._process = Supervised(command, env={**os.environ, KEY_VARIABLE: key})
        try:
            self.env = {URL_VARIABLE: await self._url(), KEY_VARIABLE: key}
        except BaseException:  # a cancelled start leaves no process behind
            await asyncio.to_thread(self._process.end)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._process.end)

    def check(self) -> None:
        """Notice that the model has died.

        Raises:
            CommandError: It has. The text has its last words.
        """
        if (code := self._process.wait(0)) is not None:
            raise CommandError(f"The local model ended with exit code {code}. {self._process.tail(3)}")

    async def _url(self) -> str:
        deadline = time.monotonic() + MODEL_TIMEOUT
        while not (said := self._said()):
            self.check()
            if time.monotonic() > deadline:
                raise CommandError(f"The local model was not ready after {MODEL_TIMEOUT:.0f} s")
            await asyncio.sleep(_POLL)
        if "url" not in said:
            raise CommandError(f"The local model did not start: {said.get('error')}")
        return str(said["url"])
