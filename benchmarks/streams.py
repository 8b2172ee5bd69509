"""The measures of streaming: what a streamed answer costs, and how late each chunk reaches a reader."""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from types import ModuleType
from typing import Any
from uuid import uuid4

from strands.types.content import Messages
from strands.types.streaming import StreamEvent
from temporalio.client import Client
from temporalio.worker import Worker
from typing_extensions import override

from benchmarks.backend import StandIn
from benchmarks.measures import Bench

CHUNK = 20
"""Characters of a chunk: five words."""

THINKING = 0.5
"""Seconds before the first chunk."""


class Speaker(StandIn):
    """Says chunks at a steady pace, and records when it said each one.

    Attributes:
        said: When each chunk was said, by answer and number.
    """

    def __init__(self, chunks: int, gap: float, thinking: float = THINKING) -> None:
        self.said: dict[tuple[str, int], float] = {}
        self._chunks = chunks
        self._gap = gap
        self._thinking = thinking

    @override
    async def stream(
        self, messages: Messages, *args: Any, **kwargs: Any
    ) -> AsyncGenerator[StreamEvent, None]:
        """Say everything, with the user's message as the name of the answer."""
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {}}}
        async for text in self.chunks(str(messages[-1]["content"][-1].get("text"))):
            yield {"contentBlockDelta": {"delta": {"text": text}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}

    async def chunks(self, name: str) -> AsyncIterator[str]:
        """Yield the texts."""
        await asyncio.sleep(self._thinking)
        begun = time.perf_counter()
        for number in range(self._chunks):
            await asyncio.sleep(max(0.0, begun + number * self._gap - time.perf_counter()))
            self.said[name, number] = time.perf_counter()
            yield f"{number:0{CHUNK}d}"


class Audience:
    """A subject that answers, and readers who note how late each chunk reaches them.

    Args:
        subject: Module of `benchmarks.subjects`.
        model: What it says.
        chunks: Chunks of an answer.
        reader: `typed` for the package's own reader, `guide` for the one of Temporal's guide.
        nats: Address of a NATS server, for what goes over it.
        latency: `latency` of the plugin in milliseconds.

    Attributes:
        late: How late each chunk was, in milliseconds.
        first: The same of each answer's first chunk.
    """

    def __init__(
        self,
        subject: ModuleType,
        model: Speaker,
        chunks: int,
        reader: str = "typed",
        nats: str | None = None,
        latency: float | None = None,
    ) -> None:
        self.late: list[float] = []
        self.first: list[float] = []
        self._subject = subject
        self._model = model
        self._chunks = chunks
        self._reader = reader
        self._nats = nats
        self._latency = latency
        self._queue = f"bench-{uuid4()}"

    @asynccontextmanager
    async def worker(self, address: str, count: int = 1) -> AsyncGenerator[Client]:
        """Run the subject's worker for `count` answers at the same time; yield its client."""
        plugins = self._subject.stream_plugins(self._model, self._nats, self._latency)
        client = await Client.connect(address, plugins=plugins)
        async with Worker(
            client,
            task_queue=self._queue,
            workflows=[self._subject.Streaming],
            activities=self._subject.stream_activities(self._model),
            max_concurrent_activities=max(100, count),
        ):
            yield client

    async def answer(self, client: Client) -> str:
        """Have one answer said and read. Return the workflow's id."""
        workflow_id = f"stream-{uuid4()}"
        handle = await client.start_workflow(
            self._subject.Streaming.run, workflow_id, id=workflow_id, task_queue=self._queue
        )
        reading = asyncio.create_task(self._read(client, workflow_id))
        await handle.result()
        await reading
        return workflow_id

    async def _read(self, client: Client, workflow_id: str) -> None:
        text = ""
        async for piece in self._subject.read(client, workflow_id, self._reader, self._nats):
            at, seen = time.perf_counter(), len(text) // CHUNK
            text += piece
            for number in range(seen, len(text) // CHUNK):
                self.late.append(1000 * (at - self._model.said[workflow_id, number]))
                if number == 0:
                    self.first.append(self.late[-1])
        if text != "".join(f"{number:0{CHUNK}d}" for number in range(self._chunks)):
            raise AssertionError(f"the reader got {len(text)} characters, not {CHUNK * self._chunks}")


async def stream(
    bench: Bench,
    chunks: int = 500,
    gap: float = 0.02,
    count: int = 1,
    nats: str | None = None,
    latency: float | None = None,
) -> dict[str, Any]:
    """Stream answers at the same time, each to a reader of its own.

    Returns the lateness of the first chunks and of all chunks (medians, milliseconds), the events and bytes
    of one history, and CPU milliseconds of this process, which has worker and readers, per answer.

    Args:
        bench: What is measured.
        chunks: Chunks of an answer.
        gap: Seconds between two of them.
        count: Answers.
        nats: Address of a NATS server, for what goes over it.
        latency: `latency` of the plugin in milliseconds.
    """
    audience = Audience(bench.subject, Speaker(chunks, gap), chunks, nats=nats, latency=latency)
    async with audience.worker(bench.address, count) as client:
        cpu = time.process_time()
        names = await asyncio.gather(*(audience.answer(client) for _ in range(count)))
        cpu = time.process_time() - cpu
        history = await client.get_workflow_handle(names[0]).fetch_history()
    return {
        "first_ms": statistics.median(audience.first),
        "ms": statistics.median(audience.late),
        "events": float(len(history.events)),
        "bytes": float(sum(event.ByteSize() for event in history.events)),
        "cpu_ms": 1000 * cpu / count,
    }


async def first_chunks(
    bench: Bench, floor: str, answers: int, warm_up: int = 3, chunks: int = 2, thinking: float = 0.15
) -> dict[str, Any]:
    """Stream answers one after the other, in turns of the subject and the floor, to the guide's reader.

    Both have a worker in this process, and each begins every second turn: what drifts, drifts for both.
    Returns the medians of how late the first chunks were, in milliseconds.

    Args:
        bench: What is measured.
        floor: Name of the floor's module of `benchmarks.subjects`.
        answers: Answers of each.
        warm_up: Answers of each before those that count.
        chunks: Chunks of an answer.
        thinking: Seconds before the first chunk. The reader waits by then.
    """
    audiences = [
        Audience(subject, Speaker(chunks, 0.02, thinking), chunks, "guide")
        for subject in (bench.subject, import_module(f"benchmarks.subjects.{floor}"))
    ]
    async with AsyncExitStack() as stack:
        both = [(one, await stack.enter_async_context(one.worker(bench.address))) for one in audiences]
        for number in range(warm_up + answers):
            for audience, client in both if number % 2 else reversed(both):
                await audience.answer(client)
    ours, floors = (one.first[warm_up:] for one in audiences)
    return {"first_ms": statistics.median(ours), "floor_first_ms": statistics.median(floors)}
