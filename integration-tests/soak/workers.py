"""A worker process, with all five plugins."""

import asyncio
import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil
from mcp import StdioServerParameters, stdio_client
from strands.tools.mcp import MCPClient
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from strands_temporal import SandboxChain, SandboxFactory, StrandsPlugin
from strands_temporal.activity import ToolContext
from strands_temporal_hitl import HITLPlugin
from strands_temporal_mcp import MCPPlugin
from strands_temporal_otel import OTelPlugin
from strands_temporal_streaming import StreamingPlugin

from . import effects, journal, mcp_server
from .models import ScriptModel
from .sandboxes import DirectorySandbox
from .workflows import Soak, audit, box_of, convert, noted, paid

QUEUE = "soak"


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker process is told.

    Attributes:
        folder: Folder of the seed.
        address: The server's, through the proxy.
        slot: Which of the workers it is.
        cached: How many workflows it keeps; 0 for none.
    """

    folder: str
    address: str
    slot: int
    cached: int


async def connected(address: str, plugins: Sequence[Any] = ()) -> Client:
    """Return a client, as soon as the server or its proxy is there: a fault may have ended it."""
    while True:
        try:
            return await Client.connect(address, plugins=plugins)
        except RuntimeError:  # noqa: PERF203
            await asyncio.sleep(0.2)


def plugins(folder: Path | None = None) -> list[Any]:
    """Return the five plugins, of a worker or, without a folder, of a client or a replay."""
    if folder is None:
        return [StrandsPlugin(), MCPPlugin(), StreamingPlugin(), OTelPlugin(), HITLPlugin()]

    def box(chain: SandboxChain) -> DirectorySandbox:
        return DirectorySandbox(box_of(folder, chain.workflow_id), folder / "disk-full")

    return [
        StrandsPlugin(
            models={"script": lambda: ScriptModel(folder / "model-calls")},
            tools={"convert": convert},
            sandboxes={"box": SandboxFactory(box, identity=lambda sandbox: str(sandbox.directory))},
        ),
        MCPPlugin(mcp_clients={"sums": sums_client}),
        StreamingPlugin(),
        OTelPlugin(),
        HITLPlugin(),
    ]


def sums_client() -> MCPClient:
    """Return Strands' client of the MCP server."""
    server = StdioServerParameters(command=sys.executable, args=["-S", "-E", mcp_server.__file__])
    # Strands names mcp's older type for what a transport yields; the streams are the same.
    return MCPClient(lambda: cast("Any", stdio_client(server)))


def activities(folder: Path) -> list[Any]:
    """Return the activities with side effects."""
    file = folder / "effects.db"

    @activity.defn(name="note")
    def note(word: str, tool_context: ToolContext) -> str:
        effects.write(file, tool_context.idempotency_key, word)
        return noted(word)

    @activity.defn(name="pay")
    async def pay(word: str, tool_context: ToolContext) -> str:
        effects.write(file, tool_context.idempotency_key, word)
        return paid(word)

    return [note, pay, audit]


class EvictionFailures(logging.Handler):
    """Notes that temporalio could not evict a workflow: it says so when the worker ends, and may not end."""

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.WARNING)
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        """Note it, if this is what the record says."""
        if "the shutdown may hang" in record.getMessage():
            journal.add(self._folder / "workers", pid=os.getpid(), what="may not end")


async def work(settings: WorkerSettings) -> None:
    """Run a worker until SIGTERM."""
    folder = Path(settings.folder)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    journal.add(folder / "workers", slot=settings.slot, pid=os.getpid(), what="begins")
    logging.basicConfig()  # else a handler of one logger replaces the one that prints warnings
    logging.getLogger("temporalio.worker").addHandler(EvictionFailures(folder))
    client = await connected(settings.address)
    with ThreadPoolExecutor(8) as executor:
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[Soak],
            activities=activities(folder),
            plugins=plugins(folder),
            activity_executor=executor,
            workflow_runner=runner(settings.slot),
            max_cached_workflows=settings.cached,
            # Temporal fails a workflow task that computes for two seconds, and the tasks of a worker share
            # one interpreter: with a hundred at once, the default, a busy machine is taken for a deadlock.
            max_concurrent_workflow_tasks=8,
            build_id="soak",  # else temporalio reads and hashes all code, for a second or more
        )
        async with worker:
            journal.add(folder / "workers", slot=settings.slot, pid=os.getpid(), what="runs")
            sampling = asyncio.create_task(_sample(folder, settings.slot))
            await ended.wait()
            sampling.cancel()
    journal.add(folder / "workers", slot=settings.slot, pid=os.getpid(), what="ends")


def runner(slot: int) -> SandboxedWorkflowRunner:
    """Return Temporal's sandbox: the first worker imports the workflow's module for each run, others once.

    The import takes some 60 ms, more than all else that a run costs.
    """
    restrictions = SandboxRestrictions.default
    return SandboxedWorkflowRunner(
        restrictions=restrictions.with_passthrough_modules("soak") if slot else restrictions
    )


async def _sample(folder: Path, slot: int) -> None:
    """Note every five seconds what the process has."""
    process = psutil.Process()
    while True:
        await asyncio.sleep(5)
        journal.add(
            folder / "samples",
            slot=slot,
            pid=os.getpid(),
            rss=process.memory_info().rss,
            threads=threading.active_count(),
            native_threads=process.num_threads(),
            files=process.num_fds(),
            children=len(process.children()),
            cpu=sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
        )


async def begin(**settings: Any) -> None:
    """Run a worker with settings of the zygote."""
    await work(WorkerSettings(**settings))
