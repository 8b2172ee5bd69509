"""The measures that a child process runs (see `child.py`). Each returns a value that JSON can hold."""

import asyncio
import gc
import os
import statistics
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import psutil
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer, Worker

from benchmarks.backend import Backend, BenchModel, look_up
from benchmarks.load import Load, answer, before

STALL = 30.0
"""Seconds without progress after which a conversation is given up, because a stuck workflow task never
ends."""

WARM_UP = 20
"""Workflows that run before the counted ones, so that what is loaded only once counts for no agent."""


class TimedExecutor(ThreadPoolExecutor):
    """Runs workflow activations, and records the CPU time of each on its thread, in milliseconds.

    Args:
        backend: What answers.

    Attributes:
        taken: The times.
        at: How far the backend had come at the end of each activation.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__(max(os.cpu_count() or 4, 4))  # as the SDK's own
        self.taken: list[float] = []
        self.at: list[tuple[int, int]] = []
        self._backend = backend

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Run a function and record its CPU time."""
        return super().submit(self._timed, fn, args, kwargs)

    def _timed(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        started = time.thread_time()
        try:
            return fn(*args, **kwargs)
        finally:
            self.taken.append(1000 * (time.thread_time() - started))
            self.at.append(self._backend.at)


@dataclass
class Bench:
    """A subject, its load, and a server.

    Attributes:
        subject: Module of `benchmarks.subjects`.
        load: Conversation of each workflow.
        address: The server's.
    """

    subject: ModuleType
    load: Load
    address: str

    def __post_init__(self) -> None:
        self.backend = Backend(self.load)
        self.executor = TimedExecutor(self.backend)
        self.queue = f"bench-{uuid4()}"
        self.plugins = self.subject.plugins(BenchModel(self.backend))
        self.runner: dict[str, Any] = (
            {"workflow_runner": self.subject.runner()} if hasattr(self.subject, "runner") else {}
        )

    @asynccontextmanager
    async def worker(self, cached: int = 1000) -> AsyncGenerator[Client, None]:
        """Run a worker with the SDK's defaults; yield its client.

        Args:
            cached: How many workflows it may keep. The default is the SDK's.
        """
        tools: list[Any] = self.subject.activities() if hasattr(self.subject, "activities") else [look_up]
        client = await Client.connect(self.address, plugins=self.plugins)
        async with Worker(
            client,
            task_queue=self.queue,
            workflows=[self.subject.Conversation],
            activities=[*tools, self.backend.answer],
            max_cached_workflows=cached,
            workflow_task_executor=self.executor,
            **self.runner,
        ):
            yield client

    async def start(self, client: Client) -> "WorkflowHandle[Any, str]":
        """Start one workflow."""
        return await client.start_workflow(
            self.subject.Conversation.run,
            args=[self.load, before(self.load), *getattr(self.subject, "FIRST_RUN", [])],
            id=f"{self.queue}-{uuid4()}",
            task_queue=self.queue,
            result_type=str,
        )

    def check(self, result: str) -> None:
        """Check that the last answer arrived."""
        wanted = answer(self.load, self.load.turns)[:50]
        if result.strip() != wanted:
            raise AssertionError(f"the workflow returned {result!r}, not {wanted!r}")


async def conversation(bench: Bench, keep: str | None = None) -> dict[str, Any]:
    """Run one conversation. Return the bytes of its history and the CPU of each activation, or its failure.

    Args:
        bench: What is measured.
        keep: File to write its history to.
    """
    started = time.perf_counter()
    async with bench.worker() as client:
        handle = await bench.start(client)
        error = await end(bench, handle)
        taken = bench.executor.taken.copy()
        seconds = time.perf_counter() - started
        if error is not None:
            turn, call = bench.backend.at
            return {"error": error, "turn": turn, "call": call, "seconds": seconds, "activations": taken}
        history = await handle.fetch_history()
    if keep is not None:
        _save(keep, history)
    return {
        "bytes": sum(event.ByteSize() for event in history.events),
        "result_bytes": max(
            event.ByteSize()
            for event in history.events
            if event.HasField("activity_task_completed_event_attributes")
        ),
        "activations": taken,
        "seconds": seconds,
    }


async def end(bench: Bench, handle: "WorkflowHandle[Any, str]") -> str | None:
    """Wait for a workflow's end, as long as it makes progress. If it did not end well, return why."""
    result = asyncio.ensure_future(handle.result())
    at, since = bench.backend.at, time.monotonic()
    while not result.done() and time.monotonic() - since < STALL:
        await asyncio.wait([result], timeout=1)
        if bench.backend.at != at:
            at, since = bench.backend.at, time.monotonic()
    if not result.done():
        result.cancel()
        error = await _complaint(handle)
        await handle.terminate("the benchmark gave up")
        return f"no progress for {STALL:.0f} s: {error}"
    try:
        bench.check(result.result())
    except WorkflowFailureError as failure:
        return _innermost(failure)
    return None


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"[:300]


async def _complaint(handle: "WorkflowHandle[Any, str]") -> str:
    """Return what the server says about a workflow that makes no progress."""
    description = (await handle.describe()).raw_description
    for pending in description.pending_activities:
        if pending.HasField("last_failure"):
            return f"activity attempt {pending.attempt}: {pending.last_failure.message}"[:300]
    task = description.pending_workflow_task
    failure = ""
    async for event in handle.fetch_history_events():
        if event.HasField("workflow_task_failed_event_attributes"):
            failure = event.workflow_task_failed_event_attributes.failure.message
    return f"workflow task attempt {task.attempt}: {failure}"[:300]


def _save(file: str, history: WorkflowHistory) -> None:
    Path(file).write_text(history.to_json())


def saved(file: str) -> WorkflowHistory:
    """Return the history in a file."""
    return WorkflowHistory.from_json("replayed", Path(file).read_text())


async def replay(bench: Bench, history: str, runs: int = 5) -> dict[str, Any]:
    """Replay a history. Return medians of the process's wall and CPU milliseconds, without the first run.

    Args:
        bench: What is measured.
        history: File with the history.
        runs: How often.
    """
    recorded = saved(history)
    wall: list[float] = []
    cpu: list[float] = []
    for _ in range(runs + 1):
        replayer = Replayer(workflows=[bench.subject.Conversation], plugins=bench.plugins, **bench.runner)
        started, cpu_started = time.perf_counter(), time.process_time()
        await replayer.replay_workflow(recorded)
        wall.append(1000 * (time.perf_counter() - started))
        cpu.append(1000 * (time.process_time() - cpu_started))
    return {"ms": statistics.median(wall[1:]), "cpu_ms": statistics.median(cpu[1:])}


async def concurrent(bench: Bench, count: int) -> dict[str, Any]:
    """Run many workflows at once.

    Returns CPU milliseconds per workflow: "cpu_ms" of the client and the worker with its activities,
    "inner_ms" of the activations alone.

    Args:
        bench: What is measured.
        count: How many.
    """
    async with bench.worker() as client:
        await many(bench, client, min(WARM_UP, count))
        gc.collect()
        before_them = len(bench.executor.taken)
        started, cpu_started = time.perf_counter(), time.process_time()
        await many(bench, client, count)
        cpu, wall = time.process_time() - cpu_started, time.perf_counter() - started
        inner = sum(bench.executor.taken[before_them:])
    return {"cpu_ms": 1000 * cpu / count, "inner_ms": inner / count, "wall_ms": 1000 * wall / count}


async def in_turn(bench: Bench, count: int) -> dict[str, Any]:
    """Run workflows one after the other. Returns what `concurrent` returns, without the wall time.

    Args:
        bench: What is measured.
        count: How many.
    """
    async with bench.worker() as client:
        for _ in range(min(WARM_UP, count)):
            await _one(bench, client)
        gc.collect()
        before_them = len(bench.executor.taken)
        cpu_started = time.process_time()
        for _ in range(count):
            await _one(bench, client)
        cpu = time.process_time() - cpu_started
        inner = sum(bench.executor.taken[before_them:])
    return {"cpu_ms": 1000 * cpu / count, "inner_ms": inner / count}


async def many(bench: Bench, client: Client, count: int) -> None:
    """Run many workflows at once, to their end."""
    await asyncio.gather(*(_one(bench, client) for _ in range(count)))


async def _one(bench: Bench, client: Client) -> None:
    bench.check(await (await bench.start(client)).result())


async def memory(bench: Bench, count: int) -> dict[str, Any]:
    """Keep many idle workflows in the cache. Return the kilobytes of memory per workflow.

    Args:
        bench: What is measured.
        count: How many.
    """
    process = psutil.Process()

    async def idle(client: Client, more: int) -> "list[WorkflowHandle[Any, str]]":
        wanted = bench.backend.answers + more
        handles = await asyncio.gather(*(bench.start(client) for _ in range(more)))
        await bench.backend.until(wanted)
        for handle in handles:
            while not await handle.query("idle"):  # noqa: ASYNC110  # only a query tells
                await asyncio.sleep(0.1)
        gc.collect()
        return handles

    async with bench.worker() as client:
        handles = await idle(client, min(WARM_UP, count))
        empty = process.memory_info().rss
        handles += await idle(client, count)
        full = process.memory_info().rss
        await asyncio.gather(*(handle.terminate() for handle in handles))
    return {"kb": (full - empty) / 1000 / count}
