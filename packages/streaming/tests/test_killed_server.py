"""The Temporal server is killed in the middle of an answer, with both transports. A large answer."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from integration_tests.real_parts import free_port
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play, texts
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.workflow_streams import WorkflowStream
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import DevServer, assert_replays
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    AttemptRestarted,
    OutputLost,
    StreamGap,
    StreamingPlugin,
    StreamTransport,
    TextDelta,
    WorkflowStreamTransport,
)
from strands_temporal_streaming.nats import NATSTransport

pytestmark = [pytest.mark.server, pytest.mark.slow]


@workflow.defn
class LongWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> int:
        agent = TemporalAgent(
            "live",
            streaming_topic="events",
            start_to_close_timeout=timedelta(minutes=5),
            callback_handler=None,
        )
        return len(str(await agent.invoke_async("go")).strip())


@asynccontextmanager
async def transported(name: str, folder: Path) -> AsyncGenerator[StreamTransport]:
    if name == "log":
        yield WorkflowStreamTransport()
        return
    async with NATSServer(folder) as nats:
        transport = NATSTransport(nats.url)
        yield transport
        await transport.close()


@pytest.mark.parametrize("name", ["log", "nats"])
async def test_a_killed_server_costs_no_word(
    worker_options: dict[str, Any], tmp_path: Path, name: str
) -> None:
    server = DevServer(db_filename=tmp_path / "temporal.db", port=free_port())
    heard, back = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        await asyncio.sleep(0.02)

    parts: list[Any] = ["before ", lambda: bounded(heard)]
    for number in range(50):
        parts += [f"{number} ", pause]
    model = LiveModel(play(*parts, lambda: bounded(back), "after"))
    queue = f"killed-{uuid.uuid4()}"
    await server.start()
    try:
        async with transported(name, tmp_path / "nats") as transport:
            plugins = [StrandsPlugin(models={"live": lambda: model}), StreamingPlugin(transport=transport)]
            client = await Client.connect(server.address, plugins=plugins)
            async with Worker(client, task_queue=queue, workflows=[LongWorkflow], **worker_options):
                handle = await client.start_workflow(LongWorkflow.run, id=queue, task_queue=queue)
                events: list[AgentEvent] = []

                async def read() -> None:
                    async for event in AgentStream(client, queue, transport=transport):
                        events.append(event)
                        if isinstance(event, TextDelta) and not heard.is_set():
                            assert server.pid is not None
                            os.kill(server.pid, signal.SIGKILL)
                            heard.set()
                            await server.stop()
                            await asyncio.sleep(1)
                            await server.start()
                            back.set()

                await asyncio.wait_for(read(), 3 * WAIT)
                whole = "before " + "".join(f"{number} " for number in range(50)) + "after"
                assert await asyncio.wait_for(handle.result(), WAIT) == len(whole)
                assert texts(events) == [whole]
                lost = (OutputLost, StreamGap, AttemptRestarted)
                assert not [event for event in events if isinstance(event, lost)]
                await assert_replays(handle, [LongWorkflow])
    finally:
        await server.stop()


async def test_ten_megabytes_by_the_log_reach_twenty_readers(agents: Agents) -> None:
    """Ten times more than a poll's answer. The workflow fails: such an answer needs a store for payloads."""
    chunk = "0123456789abcdef" * 256  # 4 KB

    async def pause() -> None:
        await asyncio.sleep(0)

    model = LiveModel(play(*[part for _ in range(2500) for part in (chunk, pause)]))
    async with agents(workflows=[LongWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(LongWorkflow.run)
        readers = [asyncio.create_task(size(AgentStream(env.client, handle.id))) for _ in range(20)]
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 3 * WAIT)
        assert "too large" in str(failure.value.cause)
        assert await asyncio.wait_for(asyncio.gather(*readers), 3 * WAIT) == [2500 * len(chunk)] * 20
        await env.assert_replays(handle)


async def size(stream: AgentStream) -> int:
    count = 0
    async for event in stream:
        assert not isinstance(event, (OutputLost, StreamGap))
        if isinstance(event, TextDelta):
            count += len(event.text)
    return count
