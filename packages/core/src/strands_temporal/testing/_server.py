"""A real Temporal dev server for tests, demos and examples. It never outlives the process that starts it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from ._server_binary import BinaryLookup, DevServerError, print_progress
from ._supervisor import Supervised

_IP = "127.0.0.1"
_START_TIMEOUT = 60.0  # seconds; a second is usual, a loaded CI machine takes longer
_REACH_TIMEOUT = 5.0  # seconds, for a server that should already run
_PORT_TRIES = 5


class DevServer:
    """A Temporal dev server that runs during an `async with` block.

    If the environment variable `TEMPORAL_ADDRESS` is set, this class uses the server at that address and
    starts nothing. Otherwise it finds the Temporal CLI (see `find_server_binary`) and starts a server with it
    on free ports of 127.0.0.1. The server ends with the block, and no later than this process, even if the
    process is killed.

        async with DevServer() as server:
            client = await Client.connect(server.address)

    `start` and `stop` may also run in different event loops.

    Args:
        ui: Also serve Temporal's Web UI, at `ui_url`.
        db_filename: SQLite file that keeps the workflows between two starts. In memory by default.
        namespace: Namespace to create and to wait for.
        port: Port of the server. By default a free one.
        ui_port: Port of the Web UI. By default a free one.
        extra_args: More arguments for `temporal server start-dev`. They override ours.
        progress: Called about every ten seconds, with one line of text, while the CLI is downloaded. By
            default the line goes to stderr.
    """

    def __init__(
        self,
        *,
        ui: bool = False,
        db_filename: Path | str | None = None,
        namespace: str = "default",
        port: int | None = None,
        ui_port: int | None = None,
        extra_args: Sequence[str] = (),
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._ui = ui
        self._port = port
        self._ui_port = ui_port
        self._db_filename = None if db_filename is None else Path(db_filename).absolute()
        self._namespace = namespace
        self._extra_args = tuple(extra_args)
        self._progress = progress or print_progress
        self._running: _Running | None = None

    @property
    def address(self) -> str:
        """The address for clients, as host:port."""
        return self._require_running().address

    @property
    def ui_url(self) -> str | None:
        """Address of the Web UI; None if there is no Web UI.

        With `TEMPORAL_ADDRESS` it is the value of `TEMPORAL_UI_ADDRESS`.
        """
        return self._require_running().ui_url

    @property
    def pid(self) -> int | None:
        """The server's process id; None with `TEMPORAL_ADDRESS`."""
        process = self._require_running().process
        return process.pid if process else None

    @property
    def is_running(self) -> bool:
        """Whether the server's process runs. With `TEMPORAL_ADDRESS`, whether `stop` was not called."""
        running = self._running
        return running is not None and (running.process is None or running.process.wait(0) is None)

    @property
    def source(self) -> str:
        """Where the server came from: "TEMPORAL_ADDRESS", "environment", "PATH" or "SDK download"."""
        return self._require_running().source

    async def start(self) -> None:
        """Find and start the server, and wait until it answers for its namespace.

        Raises:
            DevServerError: If the server cannot be found, started or reached. The message says what to do.
            RuntimeError: If the server already runs.
        """
        if self._running:
            raise RuntimeError(f"The dev server already runs at {self._running.address}. Call stop() first.")
        if address := os.environ.get("TEMPORAL_ADDRESS"):
            self._running = await self._use(address)
        else:
            binary, source = await self._find()
            self._running = await self._launch(binary, source)

    async def stop(self) -> None:
        """End the server and wait until its process is gone. Do nothing if no server runs."""
        running, self._running = self._running, None
        if running and running.process:
            await asyncio.to_thread(running.process.end)

    async def __aenter__(self) -> DevServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _require_running(self) -> _Running:
        if self._running is None:
            raise RuntimeError(
                "The dev server is not running. Use `async with DevServer()` or await start() first."
            )
        return self._running

    async def _use(self, address: str) -> _Running:
        fault = await _wait_ready(address, self._namespace, _REACH_TIMEOUT)
        if fault:
            raise DevServerError(
                f"TEMPORAL_ADDRESS={address!r} cannot be used for namespace {self._namespace!r}: {fault}. "
                "Start a Temporal server there, or unset TEMPORAL_ADDRESS to have one started."
            )
        return _Running(address, os.environ.get("TEMPORAL_UI_ADDRESS") or None, "TEMPORAL_ADDRESS", None)

    async def _find(self) -> tuple[Path, str]:
        lookup = BinaryLookup(self._progress)
        try:
            return await asyncio.to_thread(lookup.find)
        except asyncio.CancelledError:
            lookup.cancel()  # else its thread, and the end of the event loop, waits for the whole download
            raise

    async def _launch(self, binary: Path, source: str) -> _Running:
        if self._db_filename:
            self._db_filename.parent.mkdir(parents=True, exist_ok=True)
        log = ""
        for _ in range(_PORT_TRIES):
            port = self._port or _free_port()
            ui_port = self._ui_port or _free_port() if self._ui else None
            # Blocks for about 50 ms. In a thread, a cancelled start would lose the process.
            process = Supervised(self._command(binary, port, ui_port))
            try:
                fault = await _wait_ready(f"{_IP}:{port}", self._namespace, _START_TIMEOUT, process)
            except BaseException:  # a cancelled start must not leave the server behind
                await asyncio.to_thread(process.end)
                raise
            if fault is None:
                ui_url = f"http://{_IP}:{ui_port}" if ui_port else None
                return _Running(f"{_IP}:{port}", ui_url, source, process)
            log = process.tail()
            await asyncio.to_thread(process.end)
            if "address already in use" not in log:  # Go's text for EADDRINUSE on Linux and macOS
                raise DevServerError(
                    f"The Temporal dev server {binary} ({source}) did not start: {fault}. Its last output:\n"
                    f"{log or '(none)'}"
                )
            if self._port or (self._ui and self._ui_port):
                break  # the next try would ask for the same port
        ports = ", ".join(str(port) for port in (self._port, self._ui_port) if port)
        where = f"at port {ports}, as asked" if ports else f"a free port in {_PORT_TRIES} tries"
        raise DevServerError(f"The Temporal dev server did not get {where}. Its last words:\n{log}")

    def _command(self, binary: Path, port: int, ui_port: int | None) -> list[str]:
        command = [
            str(binary),
            "server",
            "start-dev",
            "--ip",
            _IP,
            "--port",
            str(port),
            "--log-level",
            "error",
        ]
        command += ["--headless"] if ui_port is None else ["--ui-ip", _IP, "--ui-port", str(ui_port)]
        if self._db_filename:
            command += ["--db-filename", str(self._db_filename)]
        if self._namespace != "default":  # "default" is always created
            command += ["--namespace", self._namespace]
        return [*command, *self._extra_args]


@dataclass(frozen=True)
class _Running:
    address: str
    ui_url: str | None
    source: str
    process: Supervised | None


async def _wait_ready(
    address: str, namespace: str, timeout: float, process: Supervised | None = None
) -> str | None:
    """Wait until the server answers for its namespace. Return None, or why it did not: too slow or dead."""
    deadline = time.monotonic() + timeout
    while True:
        fault = await _ask(address, namespace)
        if process and (code := process.wait(0)) is not None:
            return f"it ended with exit code {code}"
        if fault is None:
            return None
        if time.monotonic() > deadline:
            return f"not ready after {timeout:.0f} s: {fault}"
        await asyncio.sleep(0.1)


async def _ask(address: str, namespace: str) -> str | None:
    """Ask once. Return None, or why there was no good answer. A silent server gets two seconds."""
    try:
        client = await asyncio.wait_for(Client.connect(address, namespace=namespace), 2)
        request = DescribeNamespaceRequest(namespace=namespace)
        await client.workflow_service.describe_namespace(request, timeout=timedelta(seconds=2))
    except asyncio.TimeoutError:
        return "it does not answer"
    except (RPCError, RuntimeError, ValueError) as error:  # refused, unknown or malformed
        return str(error)
    return None


def _free_port() -> int:
    """Return a port that was free a moment ago. If the server finds it taken, the caller starts again."""
    with socket.socket() as listener:
        # Without this option nobody may bind the port during TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_IP, 0))
        port = listener.getsockname()[1]
        if sys.platform == "linux":
            # A connection closed by the listening side leaves the port in TIME_WAIT. The kernel then does not
            # give it to a process that asks for any port, but the server, which asks for this one, gets it.
            listener.listen()
            with socket.create_connection((_IP, port)) as client:
                listener.accept()[0].close()
                client.recv(1)
        return port
