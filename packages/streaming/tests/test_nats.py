"""The pieces of the output over a real NATS JetStream; the workflow's own events in its log."""

import asyncio
import logging
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play, read_all, texts
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.workflow_streams import WorkflowStream
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import DevServer, ScriptedModel, assert_replays
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    AttemptRestarted,
    CallStarted,
    End,
    MessageEnd,
    OutputLost,
    StreamGap,
    StreamHooks,
    StreamingPlugin,
    TextDelta,
    TurnEnd,
)
from strands_temporal_streaming.nats import NATSTransport

pytestmark = [pytest.mark.server]

ROOT = Path(__file__).parents[3]


@workflow.defn
class NATSWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, turns: int = 1) -> str:
        agent = TemporalAgent(
            "live",
            name="helper",
            streaming_topic="events",
            heartbeat_timeout=timedelta(seconds=2),
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )
        text = ""
        for number in range(turns):
            text = str(await agent.invoke_async(f"turn {number}")).strip()
        return text


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncGenerator[NATSServer]:
    async with NATSServer(tmp_path) as server:
        yield server


@asynccontextmanager
async def running(
    client: Client,
    nats: NATSServer,
    model: ScriptedModel,
    options: dict[str, Any],
    turns: int = 1,
    transport: NATSTransport | None = None,
) -> AsyncGenerator[tuple["WorkflowHandle[Any, str]", NATSTransport]]:
    """Run a worker and a workflow; yield it with a transport for readers. Replay it at the end."""
    sends, reads = transport or NATSTransport(nats.url), transport or NATSTransport([nats.url])
    plugins = [StrandsPlugin(models={"live": lambda: model}), StreamingPlugin(transport=sends)]
    connected = Client(client.service_client, plugins=plugins)
    queue = f"nats-{uuid.uuid4()}"
    try:
        async with Worker(connected, task_queue=queue, workflows=[NATSWorkflow], **options):
            yield await client.start_workflow(NATSWorkflow.run, turns, id=queue, task_queue=queue), reads
    finally:
        await sends.close()
        await reads.close()
    await assert_replays(client.get_workflow_handle(queue), [NATSWorkflow])


def of(kind: type[Any], events: list[AgentEvent]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def bare(events: list[Any]) -> list[Any]:
    """Return the events without the place of their calls: who comes later does not know those that ended."""
    return [replace(event, agent="", path=(), turn=0) for event in events]


async def test_it_carries_the_pieces_without_history_and_a_reader_goes_on_at_any_offset(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    said = [asyncio.Event() for _ in range(3)]
    model = LiveModel(
        play("one ", lambda: bounded(said[0]), "two ", lambda: bounded(said[1]), "three ", "four "),
        play("second"),
    )
    async with running(client, nats_server, model, worker_options, turns=2) as (handle, transport):
        events: list[AgentEvent] = []

        async def read() -> None:
            async for event in AgentStream(client, handle.id, transport=transport):
                events.append(event)
                if isinstance(event, TextDelta) and len(of(TextDelta, events)) <= 2:
                    said[len(of(TextDelta, events)) - 1].set()  # the model waits for the reader

        await asyncio.wait_for(read(), WAIT)
        assert await handle.result() == "second"
        assert texts(events) == ["one two three four", "second"]
        kinds = [type(one) for one in events if isinstance(one, (CallStarted, MessageEnd, TurnEnd, End))]
        assert kinds == [CallStarted, MessageEnd, TurnEnd, CallStarted, MessageEnd, TurnEnd, End]
        history = await handle.fetch_history()
        signals = [e for e in history.events if e.HasField("workflow_execution_signaled_event_attributes")]
        assert not signals
        assert len(history.events) <= 7 + 2 * 6  # no event for what streamed; two for a patch
        again = await read_all(AgentStream(client, handle.id, transport=transport))
        assert again == events
        for place, event in enumerate(events[:-1]):
            reader = AgentStream(client, handle.id, transport=transport, from_offset=event.offset + 1)
            assert bare(await read_all(reader)) == bare(events[place + 1 :])


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="names no server"):
        NATSTransport([])
    with pytest.raises(ValueError, match="max_age"):
        NATSTransport("nats://localhost", max_age=timedelta())
    with pytest.raises(ValueError, match="replicas=0"):
        NATSTransport("nats://localhost", replicas=0)


# --- Trouble


@pytest.mark.slow
async def test_nats_killed_and_back_in_mid_stream_loses_nothing(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    heard, back = asyncio.Event(), asyncio.Event()
    model = LiveModel(
        play(
            "before ", lambda: bounded(heard), *(f"{number} " for number in range(100)), lambda: bounded(back)
        )
    )
    async with running(client, nats_server, model, worker_options) as (handle, transport):
        events: list[AgentEvent] = []

        async def read() -> None:
            async for event in AgentStream(client, handle.id, transport=transport):
                events.append(event)
                if isinstance(event, TextDelta) and event.text == "before ":
                    await nats_server.kill()
                    heard.set()
                    await asyncio.sleep(1)
                    await nats_server.start()
                    back.set()

        await asyncio.wait_for(read(), WAIT)
        assert await handle.result() == texts(events)[0]
        assert texts(events) == ["before " + " ".join(map(str, range(100)))]
        assert not of(OutputLost, events)


@pytest.mark.slow
async def test_while_nats_is_away_the_agent_goes_on_and_readers_are_told(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer, caplog: pytest.LogCaptureFixture
) -> None:
    await nats_server.kill()
    back = asyncio.Event()
    model = LiveModel(play("unheard"), play(lambda: bounded(back), "heard again"))
    with caplog.at_level(logging.WARNING):
        async with running(client, nats_server, model, worker_options, turns=2) as (handle, transport):
            events: list[AgentEvent] = []

            async def read() -> None:
                async for event in AgentStream(client, handle.id, transport=transport):
                    events.append(event)
                    if isinstance(event, OutputLost):
                        await nats_server.start()
                        back.set()

            await asyncio.wait_for(read(), WAIT)
            assert await handle.result() == "heard again"
    assert [event.text for event in of(TextDelta, events)] == ["heard again"]
    (lost,) = of(OutputLost, events)
    assert lost.events > 0
    assert "the answer itself is complete" in caplog.text


@pytest.mark.slow
async def test_nats_away_for_good_ends_neither_the_agent_nor_its_readers(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    model = LiveModel(play("said"))
    async with running(client, nats_server, model, worker_options) as (handle, transport):
        async for event in AgentStream(client, handle.id, transport=transport):
            if isinstance(event, TextDelta):
                break
        await asyncio.wait_for(handle.result(), WAIT)
        await nats_server.kill()
        events = await read_all(AgentStream(client, handle.id, transport=NATSTransport(nats_server.url)))
    assert not of(TextDelta, events)
    assert [type(event) for event in events][-3:] == [TurnEnd, StreamGap, End]


@pytest.mark.slow
async def test_who_is_behind_what_the_stream_keeps_is_told_of_the_gap(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    small = NATSTransport(nats_server.url, max_bytes=100_000)
    heard, flooded = asyncio.Event(), asyncio.Event()
    model = LiveModel(
        play("first ", lambda: bounded(heard), *["x" * 30_000] * 20, lambda: bounded(flooded), "last")
    )
    async with running(client, nats_server, model, worker_options, transport=small) as (handle, transport):
        stream = AgentStream(client, handle.id, transport=transport)
        async for event in stream:
            if isinstance(event, TextDelta):
                break
        heard.set()
        async for event in AgentStream(client, handle.id, transport=transport):
            if isinstance(event, TextDelta) and event.text.startswith("x"):
                flooded.set()
                break
        await handle.result()
        rest = await read_all(stream)
    (gap,) = of(StreamGap, rest)
    assert gap.stop > gap.start
    assert isinstance(rest[rest.index(gap) + 1], OutputLost)
    assert of(TextDelta, rest)[-1].text.endswith("last")


@pytest.mark.slow
async def test_a_killed_workers_text_is_told_anew(
    client: Client, server: DevServer, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    queue = f"killed-{uuid.uuid4()}"
    command = (sys.executable, "-m", "packages.streaming.tests.nats_worker", server.address, queue)
    worker = await asyncio.create_subprocess_exec(*command, nats_server.url, cwd=ROOT)
    transport = NATSTransport(nats_server.url)
    try:
        handle = await client.start_workflow(NATSWorkflow.run, 1, id=queue, task_queue=queue)
        events: list[AgentEvent] = []
        async for event in (stream := AgentStream(client, queue, transport=transport)):
            events.append(event)
            if isinstance(event, TextDelta) and "upon " in event.text:
                break
        worker.kill()
        await worker.wait()
        plugins = [
            StrandsPlugin(models={"live": lambda: LiveModel(play("The ", "end."))}),
            StreamingPlugin(transport=transport),
        ]
        connected = Client(client.service_client, plugins=plugins)
        async with Worker(connected, task_queue=queue, workflows=[NATSWorkflow], **worker_options):
            events += await read_all(stream)
            assert await handle.result() == "The end."
        await assert_replays(handle, [NATSWorkflow])
    finally:
        await transport.close()
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    (again,) = of(AttemptRestarted, events)
    assert "".join(event.text for event in of(TextDelta, events[: events.index(again)])) == "Once upon "
    assert "".join(event.text for event in of(TextDelta, events[events.index(again) :])) == "The end."


@pytest.mark.slow
async def test_twenty_readers_and_ten_megabytes(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    chunk = "0123456789abcdef" * 256  # 4 KB
    attached = asyncio.Event()
    model = LiveModel(play("go ", lambda: bounded(attached), *[chunk] * 2500))
    sizes: list[int] = []
    started: set[int] = set()

    async def read(number: int, workflow_id: str, transport: NATSTransport) -> None:
        size = 0
        async for event in AgentStream(client, workflow_id, transport=transport):
            if isinstance(event, TextDelta):
                size += len(event.text)
                started.add(number)
                if len(started) == 20:
                    attached.set()
            assert not isinstance(event, (OutputLost, StreamGap))
            if isinstance(event, End):
                assert event.status == "FAILED"  # the answer is too large to store: ModelResultTooLarge
        sizes.append(size)

    async with running(client, nats_server, model, worker_options) as (handle, transport):
        readers = [read(number, handle.id, transport) for number in range(20)]
        await asyncio.wait_for(asyncio.gather(*readers), 4 * WAIT)
        assert sizes == [3 + 2500 * len(chunk)] * 20
        history = await handle.fetch_history()
        assert len(history.events) <= 13  # two for a patch
