"""The processes of one seed: the server, its proxies, workers, readers and checkers."""

import asyncio
import os
import signal
import socket
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from temporalio.client import Client

from strands_temporal.testing import DevServer

from . import effects, journal
from .proxy import Proxy
from .workers import WorkerSettings, plugins
from .zygote import Zygote

FOLDERS = ("reading", "read", "checking", "checked", "misses", "boxes")


@dataclass
class Slot:
    """A place for a worker: when its process ends, another one begins.

    Attributes:
        number: Which one it is.
        proxy: What is between the worker and the server.
        cached: How many workflows the worker keeps; 0 for none.
        pid: The process; 0 while there is none.
    """

    number: int
    proxy: Proxy
    cached: int
    pid: int = 0


class World:
    """Everything that runs for one seed.

    Args:
        folder: Its folder, which must not exist yet.
        workers: How many workers there are. The last one has no workflow cache.
        readers: How many reader processes there are.
        checkers: How many processes check what has ended.
    """

    def __init__(self, folder: Path, *, workers: int, readers: int = 1, checkers: int = 1) -> None:
        self.folder = folder
        self._workers, self._readers, self._checkers = workers, readers, checkers
        self._stack = AsyncExitStack()
        self._environment = {**os.environ, "SOAK_FOLDER": str(folder)}
        self.slots: list[Slot] = []
        self.readers: list[int] = []
        self.checkers: list[int] = []
        self.server = DevServer(port=_free_port(), db_filename=folder / "temporal.db")
        self._server_lock = asyncio.Lock()

    async def __aenter__(self) -> "World":
        self.folder.mkdir(parents=True)
        for name in FOLDERS:
            (self.folder / name).mkdir()
        effects.create(self.folder / "effects.db")
        self.zygote = await self._stack.enter_async_context(Zygote(self._environment))
        await self.server.start()
        self._stack.push_async_callback(self.server.stop)
        port = int(self.server.address.rpartition(":")[2])
        for number in range(self._workers):
            proxy = await self._stack.enter_async_context(Proxy(port))
            cached = 0 if number == self._workers - 1 and number > 0 else 200
            slot = Slot(number, proxy, cached)
            self.slots.append(slot)
            await self.begin_worker(slot)
        where = {"folder": str(self.folder), "address": self.server.address}
        self.readers = [await self.zygote.begin("reader", **where) for _ in range(self._readers)]
        self.checkers = [await self.zygote.begin("checker", **where) for _ in range(self._checkers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def connect(self) -> Client:
        """Return a client that reaches the server directly."""
        while True:
            try:
                return await Client.connect(self.server.address, plugins=plugins())
            except RuntimeError:  # noqa: PERF203 - it restarts
                await asyncio.sleep(0.2)

    async def begin_worker(self, slot: Slot) -> None:
        """Begin a worker in a slot."""
        address = f"127.0.0.1:{slot.proxy.port}"
        settings = WorkerSettings(str(self.folder), address, slot.number, slot.cached)
        slot.pid = await self.zygote.begin("worker", **asdict(settings))

    async def kill_worker(self, slot: Slot) -> None:
        """Kill a worker, and begin another one."""
        self._killed(slot.pid)
        await self.begin_worker(slot)

    def _killed(self, pid: int) -> None:
        kill(pid)
        journal.add(self.folder / "workers", pid=pid, what="killed")

    async def restart_worker(self, slot: Slot, patience: float = 20) -> None:
        """Let a worker end in order, and begin another one at once, as a deploy does."""
        old = slot.pid
        await self.begin_worker(slot)
        with suppress(ProcessLookupError):
            os.kill(old, signal.SIGTERM)
        if not await gone(old, patience):
            self._killed(old)
            journal.add(self.folder / "oddities", what="a worker did not end on SIGTERM", pid=old)

    async def kill_reader(self, number: int) -> None:
        """Kill a reader, and begin another one."""
        kill(self.readers[number])
        where = {"folder": str(self.folder), "address": self.server.address}
        self.readers[number] = await self.zygote.begin("reader", **where)

    async def kill_server(self) -> None:
        """Kill the dev server, and start it again on its file and port."""
        async with self._server_lock:
            pid = self.server.pid
            if pid is not None:
                kill(pid)
            await self.server.stop()
            await self.server.start()

    def mcp_servers(self) -> list[psutil.Process]:
        """Return the MCP servers of all workers."""
        found: list[psutil.Process] = []
        for slot in self.slots:
            with suppress(psutil.Error):
                children = psutil.Process(slot.pid).children(recursive=True)
                found += [child for child in children if "mcp_server.py" in " ".join(child.cmdline())]
        return found


def kill(pid: int) -> None:
    """Kill a process, if it still runs."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


async def gone(pid: int, patience: float) -> bool:
    """Wait until a process has ended. Return whether it did in time."""
    deadline = time.monotonic() + patience
    while psutil.pid_exists(pid):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.1)
    return True


def _free_port() -> int:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

