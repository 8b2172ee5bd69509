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
from .builds import earlier_build, jumping_clock
from .proxy import Proxy
from .workers import WorkerSettings, connected, plugins
from .zygote import Zygote

FOLDERS = ("reading", "read", "checking", "checked", "misses", "boxes")


@dataclass
class Slot:
    """A place for a worker: when its process ends, another one begins.

    Attributes:
        number: Which one it is.
        proxy: What is between the worker and the server.
        cached: How many workflows the worker keeps; 0 for none.
        build: What the worker runs: "new", "old" or "clock".
        pid: The process; 0 while there is none.
    """

    number: int
    proxy: Proxy
    cached: int
    build: str = "new"
    pid: int = 0


class World:
    """Everything that runs for one seed.

    Args:
        folder: Its folder, which must not exist yet.
        zygote: Begins the processes of this build.
        workers: How many workers there are. The last one has no workflow cache.
        old: The commit of the earlier build; None for no deploys.
        clock: Whether the clock of the second worker can jump, if libfaketime is installed.
        readers: How many reader processes there are.
        checkers: How many processes check what has ended.
    """

    def __init__(
        self,
        folder: Path,
        zygote: Zygote,
        *,
        workers: int,
        old: str | None = None,
        clock: bool = False,
        readers: int = 1,
        checkers: int = 1,
    ) -> None:
        self.folder = folder
        self._workers, self._readers, self._checkers = workers, readers, checkers
        self._old, self._clock = old, clock
        self._stack = AsyncExitStack()
        self.zygotes = {"new": zygote}
        self.slots: list[Slot] = []
        self.readers: list[int] = []
        self.checkers: list[int] = []
        self.server = DevServer(
            port=_free_port(),
            db_filename=folder / "temporal.db",
            # A process that is killed loses nothing that the system has taken.
            extra_args=["--sqlite-pragma", "synchronous=OFF"],
        )
        self._server_lock = asyncio.Lock()
        self.address = ""
        self._server_cpu, self._cpu_before = 0.0, _cpu_of(os.getpid())

    async def __aenter__(self) -> "World":
        self.folder.mkdir(parents=True)
        for name in FOLDERS:
            (self.folder / name).mkdir()
        effects.create(self.folder / "effects.db")
        self._begin_zygotes()
        await self.server.start()
        self._stack.push_async_callback(self.server.stop)
        self.address = self.server.address
        port = int(self.address.rpartition(":")[2])
        for number in range(self._workers):
            proxy = await self._stack.enter_async_context(Proxy(port))
            cached = 0 if number == self._workers - 1 and number > 0 else 200
            slot = Slot(number, proxy, cached, "clock" if number == 1 and "clock" in self.zygotes else "new")
            self.slots.append(slot)
            await self.begin_worker(slot)
        where = {"folder": str(self.folder), "address": self.address}
        self.readers = [await self.zygotes["new"].begin("reader", **where) for _ in range(self._readers)]
        self.checkers = [await self.zygotes["new"].begin("checker", **where) for _ in range(self._checkers)]
        return self

    def _begin_zygotes(self) -> None:
        environments: dict[str, dict[str, str] | None] = {}
        if self._old is not None:
            environments["old"] = earlier_build(self._old, self.folder / "old")
        if self._clock:
            environments["clock"] = jumping_clock(self.folder / "clock")
        for name, environment in environments.items():
            if environment is not None:
                self.zygotes[name] = Zygote.program({**os.environ, **environment})
                self._stack.callback(self.zygotes[name].close)

    async def __aexit__(self, *_: object) -> None:
        for zygote in self.zygotes.values():
            await zygote.end_all()
        await self._stack.aclose()

    async def connect(self) -> Client:
        """Return a client that reaches the server directly."""
        return await connected(self.address, plugins())

    async def begin_worker(self, slot: Slot) -> None:
        """Begin a worker in a slot."""
        address = f"127.0.0.1:{slot.proxy.port}"
        settings = WorkerSettings(str(self.folder), address, slot.number, slot.cached)
        slot.pid = await self.zygotes[slot.build].begin("worker", **asdict(settings))

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
        where = {"folder": str(self.folder), "address": self.address}
        self.readers[number] = await self.zygotes["new"].begin("reader", **where)

    async def kill_server(self) -> None:
        """Kill the dev server, and start it again on its file and port."""
        async with self._server_lock:
            pid = self.server.pid
            if pid is not None:
                self._server_cpu += _cpu_of(pid)
                kill(pid)
            await self.server.stop()
            await self.server.start()

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds of the processes, by what they are, without killed readers."""
        workers: dict[int, float] = {slot.pid: _cpu_of(slot.pid) for slot in self.slots}
        for sample in journal.lines(self.folder / "samples"):
            workers[sample["pid"]] = max(workers.get(sample["pid"], 0), sample["cpu"])
        return {
            "soak": _cpu_of(os.getpid()) - self._cpu_before,
            "server": self._server_cpu + _cpu_of(self.server.pid or 0),
            "workers": sum(workers.values()),
            "readers": sum(map(_cpu_of, self.readers)),
            "checkers": sum(map(_cpu_of, self.checkers)),
        }

    def mcp_servers(self) -> list[psutil.Process]:
        """Return the MCP servers of all workers."""
        found: list[psutil.Process] = []
        for slot in self.slots:
            with suppress(psutil.Error):
                children = psutil.Process(slot.pid).children(recursive=True)
                found += [child for child in children if "mcp_server.py" in " ".join(child.cmdline())]
        return found


def _cpu_of(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


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
