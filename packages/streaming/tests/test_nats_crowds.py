"""Many readers of one chat over NATS, in one process and in several; slow ones; large answers."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.nats_support import running
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play
from temporalio.client import Client

from strands_temporal.testing import DevServer
from strands_temporal_streaming import AgentStream, End, OutputLost, StreamGap, TextDelta
from strands_temporal_streaming._log import StreamLog
from strands_temporal_streaming.nats import NATSTransport

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
CHUNK = "0123456789abcdef" * 256
"""4 KB."""


def memory() -> float:
    """Return the memory that this process has now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@asynccontextmanager
async def peak() -> AsyncGenerator[list[float]]:
    """Yield the most memory that the process gets in the block beyond what it had, in MB."""
    before, most = memory(), [0.0]

    async def look() -> None:
        while True:
            most[0] = max(most[0], memory() - before)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(look())
    try:
        yield most
    finally:
        task.cancel()


async def test_a_thousand_readers_in_one_process(
    client: Client,
    worker_options: dict[str, Any],
    nats_server: NATSServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 1000
    calls: Counter[str] = Counter()
    describe, page = StreamLog.describe, StreamLog.page

    async def counted_describe(self: StreamLog, run_id: str = "") -> Any:
        calls["describe"] += 1
        return await describe(self, run_id)

    async def counted_page(self: StreamLog, run_id: str, offset: int) -> Any:
        calls["page"] += 1
        return await page(self, run_id, offset)

    monkeypatch.setattr(StreamLog, "describe", counted_describe)
    monkeypatch.setattr(StreamLog, "page", counted_page)
    attached, here = asyncio.Event(), set[int]()
    words = [f"{number} " for number in range(20)]

    async def pause() -> None:
        await asyncio.sleep(0.05)

    model = LiveModel(
        play("go ", lambda: bounded(attached), *(part for word in words for part in (word, pause)))
    )
    clients = [client, Client(client.service_client, data_converter=client.data_converter)]

    async def read(number: int, workflow_id: str, transport: NATSTransport) -> str:
        text = ""
        async for event in AgentStream(clients[number % 2], workflow_id, transport=transport):
            assert not isinstance(event, (OutputLost, StreamGap))
            if isinstance(event, TextDelta):
                text += event.text
                here.add(number)
                if len(here) == count:
                    attached.set()
        return text

    async with running(client, nats_server, model, worker_options) as (handle, transport):
        async with peak() as most:
            readers = [read(number, handle.id, transport) for number in range(count)]
            found = await asyncio.wait_for(asyncio.gather(*readers), 6 * WAIT)
        assert found == ["go " + "".join(words)] * count
        assert most[0] < 300
        # Each reader alone would need more than ten of each.
        assert calls["describe"] < 2 * count
        assert calls["page"] < count


async def test_a_slow_reader_holds_up_nobody_and_stays_small(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    slow_has, slow_may = asyncio.Event(), asyncio.Event()
    sizes: dict[str, int] = {}

    async def pause() -> None:
        await asyncio.sleep(0)

    chunks = [part for _ in range(2500) for part in (CHUNK, pause)]  # 10 MB
    model = LiveModel(play("go ", lambda: bounded(slow_has), *chunks))

    async def read(name: str, stream: AgentStream, pace: float) -> None:
        size = 0
        async for event in stream:
            assert not isinstance(event, (OutputLost, StreamGap))
            if isinstance(event, TextDelta):
                size += len(event.text)
                slow_has.set()
            if pace and not slow_may.is_set():
                await asyncio.sleep(pace)
        sizes[name] = size

    async with running(client, nats_server, model, worker_options) as (handle, transport):
        streams = [AgentStream(client, handle.id, transport=transport) for _ in range(20)]
        slow = [asyncio.create_task(read(f"slow {at}", one, 1.0)) for at, one in enumerate(streams)]
        await asyncio.wait_for(slow_has.wait(), WAIT)
        quick = asyncio.create_task(read("quick", AgentStream(client, handle.id, transport=transport), 0))
        async with peak() as most:
            await asyncio.wait_for(quick, WAIT)
        assert not any(one.done() for one in slow)
        assert most[0] < 150  # 20 x 10 MB if they held what they did not read
        slow_may.set()
        await asyncio.wait_for(asyncio.gather(*slow), 2 * WAIT)
        assert set(sizes.values()) == {3 + 2500 * len(CHUNK)}


async def test_twenty_readers_in_four_processes_go_on_in_others(
    client: Client, server: DevServer, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    whole = "".join(f"{number} " for number in range(200))

    async def pause() -> None:
        await asyncio.sleep(0.03)

    model = LiveModel(play(*(part for word in whole.split() for part in (f"{word} ", pause))))

    async def read(workflow_id: str, stops: int) -> str:
        """Read in a process; kill it `stops` times, and go on in the next one."""
        text, offset = "", 0
        while True:
            command = (sys.executable, "-m", "packages.streaming.tests.nats_reader", server.address)
            process = await asyncio.create_subprocess_exec(
                *(*command, workflow_id, nats_server.url, str(offset)),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
            )
            assert process.stdout is not None
            seen = 0
            try:
                while line := await process.stdout.readline():
                    event_offset, piece, is_end = json.loads(line)
                    if is_end:
                        return text
                    text, offset, seen = text + piece, event_offset + 1, seen + 1
                    if stops and seen == 40:
                        stops -= 1
                        break
                else:
                    raise AssertionError("the reader ended early")
            finally:
                if process.returncode is None:
                    process.kill()
                await process.communicate()

    async with running(client, nats_server, model, worker_options) as (handle, transport):
        processes = [asyncio.create_task(read(handle.id, stops)) for stops in (0, 1, 2, 2)]

        async def beside() -> str:
            stream = AgentStream(client, handle.id, transport=transport)
            return "".join([event.text async for event in stream if isinstance(event, TextDelta)])

        found = await asyncio.wait_for(asyncio.gather(*processes, *(beside() for _ in range(16))), 4 * WAIT)
        assert found == [whole] * 20


async def test_twenty_readers_and_ten_megabytes(
    client: Client, worker_options: dict[str, Any], nats_server: NATSServer
) -> None:
    attached = asyncio.Event()
    model = LiveModel(play("go ", lambda: bounded(attached), *[CHUNK] * 2500))
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
        assert sizes == [3 + 2500 * len(CHUNK)] * 20
        history = await handle.fetch_history()
        assert len(history.events) <= 13  # two for a patch
