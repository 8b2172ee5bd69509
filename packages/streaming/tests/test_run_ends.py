"""What a worker tells over NATS when a run ends: readers need no worker then, and never get anything else."""

import asyncio
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.nats_support import WORKFLOWS, EndingWorkflow, NATSWorkflow
from packages.streaming.tests.streaming_support import WAIT, LiveModel, of, play, read_all, without_times
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, assert_replays
from strands_temporal_streaming import AgentEvent, AgentStream, End, StreamingPlugin, TurnEnd
from strands_temporal_streaming._run_ends import RunEnd
from strands_temporal_streaming.nats import NATSTransport

pytestmark = [pytest.mark.server]

ROOT = Path(__file__).parents[3]


def silent_transport(nats: str) -> Any:
    """Return a transport that has the pieces, and no ends: as that of an older release."""
    transport = NATSTransport(nats)

    def reader(*args: Any) -> Any:
        whole: Any = transport.reader(*args)
        return SimpleNamespace(pieces=whole.pieces, last_seq=whole.last_seq, seq_at=whole.seq_at)

    return SimpleNamespace(outlet=transport.outlet, reader=reader, close=transport.close)


@asynccontextmanager
async def working(
    client: Client, transport: Any, options: dict[str, Any], model: LiveModel | None = None
) -> AsyncGenerator[tuple[Client, str]]:
    plugins = [
        StrandsPlugin(models={"live": lambda: model or LiveModel(play("hello"))}),
        StreamingPlugin(transport=transport),
    ]
    connected = Client(client.service_client, plugins=plugins, data_converter=client.data_converter)
    queue = f"ends-{uuid.uuid4()}"
    async with Worker(connected, task_queue=queue, workflows=WORKFLOWS, **options):
        yield connected, queue


def _another(client: Client) -> Client:
    """Return a client of its own: readers of one client share what they know."""
    return Client(client.service_client, data_converter=client.data_converter)


async def _told(client: Client, handle: "WorkflowHandle[Any, Any]", transport: NATSTransport) -> RunEnd:
    """Return what NATS has of the end of the first run, when it has it."""
    reader: Any = transport.reader(client, handle.id)
    await reader.last_seq()  # connects

    async def look() -> RunEnd:
        end: RunEnd | None
        while (end := await reader.run_end(handle.first_execution_run_id or "")) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return end

    return await asyncio.wait_for(look(), WAIT)


async def _read_without_worker(client: Client, workflow_id: str, transport: Any) -> list[AgentEvent]:
    stream = AgentStream(
        client,
        workflow_id,
        transport=transport,
        patience=timedelta(seconds=0.1),
    )
    return await read_all(stream)


async def test_readers_of_a_run_that_has_ended_need_no_worker(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    transport, silent = NATSTransport(nats_server.url), silent_transport(nats_server.url)
    async with working(client, transport, worker_options) as (connected, queue):
        handle = await connected.start_workflow(NATSWorkflow.run, id=queue, task_queue=queue)
        live = await read_all(AgentStream(_another(client), queue, transport=silent))
        await _told(client, handle, transport)
    assert [type(one) for one in live[-2:]] == [TurnEnd, End]
    rest = await _read_without_worker(_another(client), queue, transport)
    assert without_times(rest) == without_times(live)
    await transport.close()
    await silent.close()
    await assert_replays(handle, WORKFLOWS, plugins=[StrandsPlugin()])


@pytest.mark.parametrize(
    ("way", "tells"),
    [
        ("ends", True),
        ("fails", True),
        ("is cancelled", False),
        ("is tried again", True),
        ("continues", False),
        ("is terminated", False),
    ],
)
async def test_however_a_run_ends_readers_get_the_same(
    way: str, tells: bool, client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    """Also what handlers write after the workflow's function has returned."""
    transport, silent = NATSTransport(nats_server.url), silent_transport(nats_server.url)
    async with working(client, transport, worker_options) as (connected, queue):
        handle = await connected.start_workflow(
            EndingWorkflow.run,
            "waits" if way in ("is cancelled", "is terminated") else way,
            id=queue,
            task_queue=queue,
            retry_policy=RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=1))
            if way == "is tried again"
            else None,
        )
        if way in ("is cancelled", "is terminated"):
            async for event in AgentStream(_another(client), queue, transport=silent):
                assert event.agent == "first"
                break
            await (handle.cancel() if way == "is cancelled" else handle.terminate())
        live = await read_all(AgentStream(_another(client), queue, transport=transport))
        if tells:
            await _told(client, handle, transport)
        queried = await read_all(AgentStream(_another(client), queue, transport=silent))
        assert await read_all(AgentStream(_another(client), queue, transport=transport)) == queried
        assert live == queried or way in ("is tried again", "continues")
        if way in ("ends", "fails"):
            assert [one.agent for one in queried] == ["first", "last of 1", "late 0", "late 1", ""]
        end: Any = transport.reader(client, queue)
        if not tells:
            assert await end.run_end(handle.first_execution_run_id or "") is None
        try:
            await handle.result()
        except WorkflowFailureError:
            assert way not in ("ends", "is tried again", "continues")
    if way in ("ends", "fails"):
        assert await _read_without_worker(_another(client), queue, transport) == queried
    await transport.close()
    await silent.close()
    await assert_replays(handle, WORKFLOWS, plugins=[StrandsPlugin()])


async def test_what_another_task_told_is_not_believed(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    """A worker may have told an end, and the server has refused its task: another attempt counts."""
    transport = NATSTransport(nats_server.url)
    async with working(client, transport, worker_options) as (connected, queue):
        handle = await connected.start_workflow(EndingWorkflow.run, "ends", id=queue, task_queue=queue)
        await handle.result()
        true = await _told(client, handle, transport)
        events = await read_all(AgentStream(_another(client), queue, transport=transport))
        told = true.items[-1]
        for lie in (
            replace(true, task_at=true.task_at - 1, items=true.items[:-1], stop=told[0]),
            replace(true, task=true.task - 3, items=true.items[:-1], stop=told[0]),
            replace(true, task=true.task + 1, items=true.items[:-1], stop=told[0]),
            replace(true, task=-5, items=true.items[:-1], stop=told[0]),
        ):
            await transport.tell_end(client, queue, lie)
            while (await _told(client, handle, transport)) != lie:  # noqa: ASYNC110  # until NATS has it
                await asyncio.sleep(0.01)
            again = await read_all(AgentStream(_another(client), queue, transport=transport))
            assert without_times(again) == without_times(events)
    await transport.close()


@pytest.mark.slow
async def test_a_worker_killed_between_what_it_told_and_the_end(
    server: DevServer, client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    """Another worker ends the run, and writes other events: readers get those."""
    transport, queue = NATSTransport(nats_server.url), f"ends-{uuid.uuid4()}"
    command = (sys.executable, "-m", "packages.streaming.tests.nats_worker", server.address, queue)
    process = await asyncio.create_subprocess_exec(*command, nats_server.url, "dies at the end", cwd=ROOT)
    try:
        handle = await client.start_workflow(
            EndingWorkflow.run, "ends", id=queue, task_queue=queue, task_timeout=timedelta(seconds=1)
        )
        told = await _told(client, handle, transport)
        await asyncio.wait_for(process.wait(), WAIT)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    silent = silent_transport(nats_server.url)
    plugins = [StrandsPlugin(), StreamingPlugin()]
    other = Client(client.service_client, plugins=plugins, data_converter=client.data_converter)
    async with Worker(other, task_queue=queue, workflows=WORKFLOWS, **worker_options):
        await handle.result()
        assert (await _told(client, handle, transport)) == told  # nobody has told anything since
        queried = await read_all(AgentStream(_another(client), queue, transport=silent))
        assert await read_all(AgentStream(_another(client), queue, transport=transport)) == queried
        assert of(End, queried)[0].status == "COMPLETED"
    await transport.close()
    await silent.close()
