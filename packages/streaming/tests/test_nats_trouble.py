"""NATS, a worker or the server of Temporal go away while a model writes. Nothing of it holds up the agent."""

import asyncio
import logging
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.nats_support import NATSWorkflow, running
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, of, play, read_all, texts
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, assert_replays
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    AttemptRestarted,
    End,
    OutputLost,
    StreamGap,
    StreamingPlugin,
    TextDelta,
    TurnEnd,
)
from strands_temporal_streaming.nats import NATSTransport

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROOT = Path(__file__).parents[3]


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


async def test_nats_killed_for_good_in_mid_answer(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer, caplog: pytest.LogCaptureFixture
) -> None:
    heard = asyncio.Event()

    async def pause() -> None:
        await asyncio.sleep(0.2)

    rest = [part for number in range(20) for part in (f"{number} ", pause)]
    model = LiveModel(play("before ", lambda: bounded(heard), *rest), play("next"))
    with caplog.at_level(logging.WARNING):
        async with running(client, nats_server, model, worker_options, turns=2) as (handle, transport):
            events: list[AgentEvent] = []

            async def read() -> None:
                async for event in AgentStream(client, handle.id, transport=transport):
                    events.append(event)
                    if isinstance(event, TextDelta) and not heard.is_set():
                        await nats_server.kill()
                        heard.set()

            await asyncio.wait_for(read(), 2 * WAIT)
            assert await handle.result() == "next"
    assert texts(events) == ["before"]
    assert [lost.events > 0 for lost in of(OutputLost, events) if lost.events] == [True, True]
    assert of(StreamGap, events)
    assert [type(event) for event in events if isinstance(event, (TurnEnd, End))] == [TurnEnd, TurnEnd, End]
    warnings = [one for one in caplog.records if one.name == "strands_temporal_streaming.nats"]
    assert 1 <= len(warnings) <= 2  # once for the worker's connection, once for the reader's


async def test_nats_back_without_its_files_is_told(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    heard = asyncio.Event()
    said = ("a ", lambda: asyncio.sleep(0.1), "few ", lambda: asyncio.sleep(0.1), "words ")
    model = LiveModel(play(*said, lambda: asyncio.sleep(0.1), "b ", lambda: bounded(heard), "c ", "d "))
    async with running(client, nats_server, model, worker_options) as (handle, transport):
        events: list[AgentEvent] = []

        async def read() -> None:
            async for event in AgentStream(client, handle.id, transport=transport):
                events.append(event)
                if isinstance(event, TextDelta) and event.text.endswith("b "):
                    await nats_server.kill()
                    nats_server.lose_files()
                    await nats_server.start()
                    heard.set()

        await asyncio.wait_for(read(), WAIT)
        assert await handle.result() == "a few words b c d"
        assert texts(events) == ["a few words b c d"]
        (gap,) = of(StreamGap, events)
        assert isinstance(events[events.index(gap) + 1], OutputLost)
        # Who comes now gets what is still there, and is told.
        late = await read_all(AgentStream(client, handle.id, transport=transport))
        assert texts(late) == ["c d"]
        at = of(TextDelta, events[: events.index(gap)])[-1].offset + 1
        resumed = await read_all(AgentStream(client, handle.id, transport=transport, from_offset=at))
        assert of(StreamGap, resumed)
        assert texts(resumed) == ["c d"]
