"""A reader of a stream whose server is unreachable: for a moment, again and again, or for good."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.workflow_streams import WorkflowStream
from temporalio.service import RetryConfig, RPCError

from strands_temporal import TemporalAgent
from strands_temporal.testing import DevServer, ScriptedModel, say
from strands_temporal_streaming import AgentEvent, AgentStream, End, TextDelta
from strands_temporal_streaming._log import TRANSIENT_CODES, StreamLog

pytestmark = pytest.mark.server

PATIENCE = 3.0  # seconds: a break takes a second on a busy machine


@workflow.defn
class SilentWorkflow:
    """Says something, is silent until the test signals it, and says something else."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.goes_on = asyncio.Event()

    @workflow.signal
    def go_on(self) -> None:
        self.goes_on.set()

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", streaming_topic="events", callback_handler=None)
        await agent.invoke_async("begin")
        await self.goes_on.wait()
        return str(await agent.invoke_async("end")).strip()


class Line:
    """A connection to the server that the test can cut: a TCP proxy, which refuses connections when cut."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._open: set[asyncio.StreamWriter] = set()
        self.address = ""
        self.is_cut = False
        self.refused = asyncio.Semaphore(0)

    @asynccontextmanager
    async def up(self) -> AsyncGenerator["Line"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        self.is_cut = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            self.refused.release()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        ends = {writer, far_writer}
        self._open |= ends
        try:
            await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
        finally:
            self._open -= ends


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def silent(agents: Agents, server: DevServer) -> AsyncGenerator[tuple[Any, Any, Line, Client]]:
    """Yield an environment, a started workflow, a line to its server, and a client that uses the line."""
    model = ScriptedModel(say("before "), say("after"))
    async with agents(workflows=[SilentWorkflow], models={"m": lambda: model}) as env:
        handle = await env.start(SilentWorkflow.run)
        async with Line(server.address).up() as line:
            # The SDK's own retries would take ten seconds.
            once = RetryConfig(initial_interval_millis=10, max_retries=1)
            yield env, handle, line, await Client.connect(line.address, retry_config=once)
        assert await handle.result() == "after"
        await env.assert_replays(handle)


class Reader:
    """Reads in the background until the stream ends, or fails."""

    def __init__(self, stream: AgentStream) -> None:
        self.text = ""
        self.last: AgentEvent | None = None
        self.heard = asyncio.Event()
        self.task = asyncio.create_task(self._read(stream))

    async def _read(self, stream: AgentStream) -> None:
        async for event in stream:
            self.last = event
            if isinstance(event, TextDelta):
                self.text += event.text
                self.heard.set()

    async def hears(self) -> None:
        await asyncio.wait_for(self.heard.wait(), WAIT)


def reading(client: Client, workflow_id: str) -> AgentStream:
    return AgentStream(client, workflow_id, patience=timedelta(seconds=PATIENCE))


async def test_short_breaks_on_a_silent_workflow_do_not_add_up(
    agents: Agents, server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A successful describe ends an outage, even if the stream has nothing new."""
    answered, describe = asyncio.Semaphore(0), StreamLog.describe

    async def noted(self: StreamLog, run_id: str = "") -> Any:
        run = await describe(self, run_id)
        answered.release()
        return run

    async with silent(agents, server) as (_, handle, line, client):
        reader = Reader(reading(client, handle.id))
        await reader.hears()
        monkeypatch.setattr(StreamLog, "describe", noted)
        began, breaks = time.monotonic(), 0
        while breaks < 3 or time.monotonic() - began < 3 * PATIENCE:
            line.refused, answered = asyncio.Semaphore(0), asyncio.Semaphore(0)
            line.cut()
            await asyncio.wait_for(line.refused.acquire(), WAIT)
            line.mend()
            await _first(answered.acquire(), reader.task)
            breaks += 1
        await handle.signal(SilentWorkflow.go_on)
        await asyncio.wait_for(reader.task, WAIT)
        assert reader.text.split() == ["before", "after"]
        assert isinstance(reader.last, End)


async def _first(waits: Any, reading: "asyncio.Task[None]") -> None:
    """Wait for the first task. If the second ends before it, raise the second's error."""
    waiting = asyncio.ensure_future(waits)
    await asyncio.wait([waiting, reading], timeout=WAIT, return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        reading.result()
    assert waiting.done()


async def test_a_server_that_is_away_for_longer_than_patience_is_given_up(
    agents: Agents, server: DevServer
) -> None:
    async with silent(agents, server) as (_, handle, line, client):
        stream = reading(client, handle.id)
        reader = Reader(stream)
        await reader.hears()
        began = time.monotonic()
        line.cut()
        with pytest.raises(RPCError) as error:
            await asyncio.wait_for(reader.task, WAIT)
        assert error.value.status in TRANSIENT_CODES  # the code depends on where the line was cut
        assert time.monotonic() - began > PATIENCE
        # A reader that keeps the stream can resume it once the server is back.
        line.mend()
        later = Reader(stream)
        await handle.signal(SilentWorkflow.go_on)
        await asyncio.wait_for(later.task, WAIT)
        assert later.text.strip() == "after"
        assert isinstance(later.last, End)
