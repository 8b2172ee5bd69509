"""The measures of streaming: what a streamed answer costs, and how late each chunk reaches a reader."""

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from uuid import uuid4

from strands.models import Model
from strands.types.content import Messages
from strands.types.streaming import StreamEvent
from temporalio.client import Client
from temporalio.worker import Worker
from typing_extensions import override

from benchmarks.measures import Bench

CHUNK = 20
"""Characters of a chunk: five words."""

THINKING = 0.5
"""Seconds before the first chunk."""


class Speaker(Model):
    """Says chunks at a steady pace, and records when it said each one.

    Attributes:
        said: When each chunk was said, by answer and number.
    """

    def __init__(self, chunks: int, gap: float) -> None:
        self.said: dict[tuple[str, int], float] = {}
        self._chunks = chunks
        self._gap = gap

    @override
    def update_config(self, **model_config: Any) -> None:
        """Change nothing: there is no configuration."""

    @override
    def get_config(self) -> dict[str, Any]:
        """Return a model id."""
        return {"model_id": "bench"}

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
        await asyncio.sleep(THINKING)
        begun = time.perf_counter()
        for number in range(self._chunks):
            await asyncio.sleep(max(0.0, begun + number * self._gap - time.perf_counter()))
            self.said[name, number] = time.perf_counter()
            yield f"{number:0{CHUNK}d}"

    @override
    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Refuse: no measure needs it."""
        raise NotImplementedError("no measure needs structured output")
        yield {}


async def stream(
    bench: Bench,
    chunks: int = 500,
    gap: float = 0.02,
    count: int = 1,
    answers: int = 1,
    reader: str = "typed",
    nats: str | None = None,
    latency: float | None = None,
) -> dict[str, Any]:
    """Stream answers, each to a reader of its own.

    Returns the lateness of the first chunks and of all chunks (medians, milliseconds), the events and bytes
    of one history, and CPU milliseconds of this process, which has worker and readers, per answer.

    Args:
        bench: What is measured.
        chunks: Chunks of an answer.
        gap: Seconds between two of them.
        count: Answers at the same time.
        answers: Answers one after the other.
        reader: `typed` for the package's own reader, `guide` for the one of Temporal's guide.
        nats: Address of a NATS server, for what goes over it.
        latency: `latency` of the plugin in milliseconds.
    """
    model = Speaker(chunks, gap)
    late: list[float] = []
    first: list[float] = []

    async def read(client: Client, workflow_id: str) -> None:
        text = ""
        async for piece in bench.subject.read(client, workflow_id, reader, nats):
            at, seen = time.perf_counter(), len(text) // CHUNK
            text += piece
            for number in range(seen, len(text) // CHUNK):
                late.append(1000 * (at - model.said[workflow_id, number]))
                if number == 0:
                    first.append(late[-1])
        if text != "".join(f"{number:0{CHUNK}d}" for number in range(chunks)):
            raise AssertionError(f"the reader got {len(text)} characters, not {CHUNK * chunks}")

    async def one(client: Client) -> str:
        workflow_id = f"stream-{uuid4()}"
        handle = await client.start_workflow(
            bench.subject.Streaming.run, workflow_id, id=workflow_id, task_queue=bench.queue
        )
        reading = asyncio.create_task(read(client, workflow_id))
        await handle.result()
        await reading
        return workflow_id

    plugins = bench.subject.stream_plugins(model, nats, latency)
    client = await Client.connect(bench.address, plugins=plugins)
    async with Worker(
        client,
        task_queue=bench.queue,
        workflows=[bench.subject.Streaming],
        activities=bench.subject.stream_activities(model),
        max_concurrent_activities=max(100, count),
    ):
        names: list[str] = []
        cpu = time.process_time()
        for _ in range(answers):
            names = await asyncio.gather(*(one(client) for _ in range(count)))
        cpu = time.process_time() - cpu
        history = await client.get_workflow_handle(names[0]).fetch_history()
    return {
        "first_ms": statistics.median(first),
        "ms": statistics.median(late),
        "events": float(len(history.events)),
        "bytes": float(sum(event.ByteSize() for event in history.events)),
        "cpu_ms": 1000 * cpu / count / answers,
    }
