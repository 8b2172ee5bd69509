"""What a model writes between two batches reaches readers by heartbeat: soon, and without history."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play, texts
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.workflow_streams import WorkflowStream
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import assert_replays
from strands_temporal_streaming import AgentEvent, AgentStream, StreamingPlugin, TextDelta

pytestmark = [pytest.mark.server]


@workflow.defn
class TailWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, interval_ms: int) -> str:
        agent = TemporalAgent(
            "live",
            streaming_topic="events",
            streaming_batch_interval=timedelta(milliseconds=interval_ms),
            callback_handler=None,
        )
        return str(await agent.invoke_async("go")).strip()


HOUR = 3_600_000


async def read_until(stream: AgentStream, text: str) -> list[AgentEvent]:
    """Read up to the text's end."""

    async def read() -> list[AgentEvent]:
        events: list[AgentEvent] = []
        async for event in stream:
            events.append(event)
            if isinstance(event, TextDelta) and event.text.endswith(text):
                return events
        raise AssertionError(f"{text!r} was not said")

    return await asyncio.wait_for(read(), WAIT)


async def test_each_word_comes_before_its_batch_and_costs_no_event(agents: Agents) -> None:
    """The next batch is due in an hour. A reader gets each word, and another one goes on at any of them."""
    words = ["one ", "two ", "three ", "four "]
    said = [asyncio.Event() for _ in words]
    parts: list[Any] = []
    for word, event in zip(words, said, strict=True):
        parts += [word, lambda event=event: bounded(event)]
    async with agents(workflows=[TailWorkflow], models={"live": lambda: LiveModel(play(*parts))}) as env:
        handle = await env.start(TailWorkflow.run, HOUR)
        stream = AgentStream(env.client, handle.id)
        first = await read_until(stream, "one ")
        events = (await handle.describe()).history_length
        said[0].set()
        first += await read_until(stream, "two ")
        said[1].set()
        first += await read_until(stream, "three ")
        # Another process goes on in the middle of what will be one item of the log.
        second = AgentStream(env.client, handle.id, from_offset=first[-1].offset + 1)
        assert stream.offset == first[-1].offset + 1
        assert (await handle.describe()).history_length == events
        said[2].set()
        rest = asyncio.create_task(read_all(second))
        first += await read_until(stream, "four ")
        said[3].set()
        assert await handle.result() == "one two three four"
        assert texts(await asyncio.wait_for(rest, WAIT)) == ["four"]
        first += await read_all(stream)
        assert texts(first) == ["one two three four"]
        assert texts(await read_all(AgentStream(env.client, handle.id))) == ["one two three four"]
        await env.assert_replays(handle)


async def read_all(stream: AgentStream) -> list[AgentEvent]:
    async def collect() -> list[AgentEvent]:
        return [event async for event in stream]

    return await asyncio.wait_for(collect(), WAIT)


@pytest.mark.slow
async def test_a_short_latency_costs_no_more_history(client: Client, worker_options: dict[str, Any]) -> None:
    """Two hundred chunks in four seconds: at most four batches for each second, with any `latency`."""

    async def pause() -> None:
        await asyncio.sleep(0.02)

    for latency in (None, timedelta(milliseconds=40)):
        parts: list[Any] = []
        for number in range(200):
            parts += [f"{number} ", pause]
        queue = f"tails-{uuid.uuid4()}"
        plugins = [
            StrandsPlugin(models={"live": lambda parts=parts: LiveModel(play(*parts))}),
            StreamingPlugin(latency=latency),
        ]
        connected = Client(client.service_client, plugins=plugins)
        async with Worker(connected, task_queue=queue, workflows=[TailWorkflow], **worker_options):
            handle = await client.start_workflow(TailWorkflow.run, 100, id=queue, task_queue=queue)
            events = await read_all(AgentStream(client, handle.id))
            assert texts(events) == ["".join(f"{number} " for number in range(200)).strip()]
            signals = [
                event.event_time.ToDatetime()
                for event in (await handle.fetch_history()).events
                if event.HasField("workflow_execution_signaled_event_attributes")
            ]
            assert len(signals) <= (signals[-1] - signals[0]).total_seconds() / 0.25 + 3
            assert len([one for one in events if isinstance(one, TextDelta)]) > len(signals)  # tails too
        await assert_replays(handle, [TailWorkflow])


@pytest.mark.slow
async def test_fewer_batches_while_nobody_reads(client: Client, worker_options: dict[str, Any]) -> None:
    """A reader that comes in the midst gets all, and from then on soon."""
    reading, signals = asyncio.Event(), dict[str, int]()

    async def pause() -> None:
        await asyncio.sleep(0.02)

    async def a_reader_comes() -> None:
        signals["alone"] = await signals_of(handle)
        reading.set()

    words = [f"{number} " for number in range(300)]
    parts: list[Any] = [part for word in words[:150] for part in (word, pause)]
    parts += [a_reader_comes, *(part for word in words[150:] for part in (word, pause))]
    queue = f"tails-{uuid.uuid4()}"
    plugin = StrandsPlugin(models={"live": lambda: LiveModel(play(*parts))})
    connected = Client(client.service_client, plugins=[plugin])
    async with Worker(connected, task_queue=queue, workflows=[TailWorkflow], **worker_options):
        handle = await client.start_workflow(TailWorkflow.run, 100, id=queue, task_queue=queue)
        await bounded(reading)
        events = await read_all(AgentStream(client, handle.id))
        assert texts(events) == ["".join(words).strip()]
        read = await signals_of(handle) - signals["alone"]
    assert len([one for one in events if isinstance(one, TextDelta)]) > read / 2
    if worker_options.get("max_cached_workflows") == 0:
        return  # then the worker knows of no readers
    assert 2 * signals["alone"] <= read, (signals, read)
    await assert_replays(handle, [TailWorkflow])


async def signals_of(handle: WorkflowHandle[Any, Any]) -> int:
    events = (await handle.fetch_history()).events
    return sum(event.HasField("workflow_execution_signaled_event_attributes") for event in events)


def test_latency_is_checked() -> None:
    with pytest.raises(ValueError, match="shorter than 10 milliseconds"):
        StreamingPlugin(latency=timedelta(milliseconds=5))
    with pytest.raises(TypeError, match=r"Write timedelta\(milliseconds=40\)"):
        StreamingPlugin(latency=40)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"is no transport\. Known: WorkflowStreamTransport"):
        StreamingPlugin(transport="nats://localhost:4222")  # pyright: ignore[reportArgumentType]
