"""Each part is killed in mid-answer while browsers read: each ends with the whole answer, shown once."""

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import Agents
from integration_tests import real_parts
from packages.streaming.tests.nats_server import NATSServer
from packages.streaming.tests.streaming_support import WAIT, LiveModel, play
from packages.streaming.tests.web_support import run_input, serving, sse, web
from packages.streaming.tests.web_worker import WORDS, teller
from temporalio.client import Client

from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, assert_replays
from strands_temporal_streaming.web import agent_app

pytestmark = [pytest.mark.server, pytest.mark.slow]

READERS = 3
STORY = "".join(WORDS).strip()


def texts_shown(events: Iterable[dict[str, Any]]) -> list[str]:
    """Return the agent's messages as a page shows them after these events."""
    messages: dict[str, str] = {}
    for event in events:
        match event["type"]:
            case "MESSAGES_SNAPSHOT":
                agents = [one for one in event["messages"] if one["role"] == "assistant"]
                messages = {one["id"]: one.get("content") or "" for one in agents}
            case "TEXT_MESSAGE_START":
                messages[event["messageId"]] = ""
            case "TEXT_MESSAGE_CONTENT":
                messages[event["messageId"]] += event["delta"]
            case _:
                pass
    return [text.strip() for text in messages.values() if text.strip()]


class Browser:
    """Reads a thread as a page does: it comes back by itself, with the id of the last event."""

    def __init__(self, url: str, thread: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.connections = 0
        self._url = f"{url}/threads/{thread}/events"
        self._last = ""
        self._grown = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with httpx.AsyncClient(timeout=WAIT) as http:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    await self._connect(http)
                if self.events and self.events[-1]["type"] in ("RUN_FINISHED", "RUN_ERROR"):
                    return
                await asyncio.sleep(0.1)

    async def _connect(self, http: httpx.AsyncClient) -> None:
        headers = {"last-event-id": self._last} if self._last else {}
        async with http.stream("GET", self._url, headers=headers) as answer:
            if answer.status_code != 200:
                return
            self.connections += 1
            async for id_, event in sse(answer):
                self.events.append(event)
                self._last = id_ or self._last
                self._grown.set()
                if event["type"] in ("RUN_FINISHED", "RUN_ERROR"):
                    return

    async def shows(self, words: int) -> None:
        """Wait until the page shows so many words."""

        async def wait() -> None:
            while sum(len(text.split()) for text in texts_shown(self.events)) < words:
                self._grown.clear()
                await self._grown.wait()

        await asyncio.wait_for(wait(), WAIT)


@asynccontextmanager
async def worker(address: str, queue: str, nats: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    program = (sys.executable, "-m", "packages.streaming.tests.web_worker", address, queue)
    environment = {**os.environ, "STRANDS_TEMPORAL_NATS": nats}
    process = await asyncio.create_subprocess_exec(*program, env=environment)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Scene:
    """A Temporal server, NATS if asked for, a worker, and a web server."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.stack = stack
        self.queue = f"faults-{uuid.uuid4()}"
        self.temporal = DevServer(db_filename=folder / "temporal.db", port=real_parts.free_port())
        self.nats = NATSServer(folder / "nats")
        self.port = real_parts.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.is_over_nats = False
        self._web = AsyncExitStack()
        self.client: Any = None
        self.process: Any = None

    async def start(self) -> None:
        await self.temporal.start()
        self.stack.push_async_callback(self.temporal.stop)
        if self.is_over_nats:
            await self.stack.enter_async_context(self.nats)
        await self.start_worker()
        self.client = await Client.connect(self.temporal.address, plugins=[StrandsPlugin()])
        await self.start_web()
        self.stack.push_async_callback(lambda: self._web.aclose())

    async def start_worker(self) -> None:
        nats = self.nats.url if self.is_over_nats else ""
        self.process = await self.stack.enter_async_context(worker(self.temporal.address, self.queue, nats))

    async def start_web(self) -> None:
        app = agent_app(self.client, ["teller"], task_queue=self.queue)
        await self._web.enter_async_context(serving(app, self.port))

    async def kill_worker(self) -> None:
        self.process.kill()
        await self.process.wait()
        await self.start_worker()

    async def kill_temporal(self) -> None:
        assert self.temporal.pid is not None
        os.kill(self.temporal.pid, signal.SIGKILL)
        await self.temporal.stop()
        await asyncio.sleep(0.5)
        await self.temporal.start()

    async def kill_nats(self) -> None:
        await self.nats.kill()
        await asyncio.sleep(0.5)
        await self.nats.start()

    async def kill_web(self) -> None:
        await self._web.aclose()
        self._web = AsyncExitStack()
        await self.start_web()


FAULTS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "the worker": Scene.kill_worker,
    "the Temporal server": Scene.kill_temporal,
    "NATS": Scene.kill_nats,
    "the web server": Scene.kill_web,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("carrier", ["the log", "NATS"])
async def test_killed_in_mid_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carrier: str, fault: str
) -> None:
    if (carrier, fault) == ("the log", "NATS"):
        pytest.skip("there is no NATS")
    async with AsyncExitStack() as stack:
        scene = Scene(tmp_path, stack)
        scene.is_over_nats = carrier == "NATS"
        monkeypatch.setenv("STRANDS_TEMPORAL_NATS", scene.nats.url if scene.is_over_nats else "")
        await scene.start()
        thread = f"thread-{uuid.uuid4()}"
        sending = asyncio.create_task(send(scene.url, thread))
        browsers = [Browser(scene.url, thread) for _ in range(READERS)]
        try:
            await asyncio.gather(*(one.shows(10) for one in browsers))
            await FAULTS[fault](scene)
            late = Browser(scene.url, thread)  # a second tab, after the fault
            browsers.append(late)
            await asyncio.wait_for(asyncio.gather(*(one.reading for one in browsers)), 2 * WAIT)
        finally:
            for one in browsers:
                one.reading.cancel()
            sending.cancel()
        for one in browsers:
            assert texts_shown(one.events) == [STORY], one.connections
            assert one.events[-1]["type"] == "RUN_FINISHED"
        if fault == "the web server":
            assert all(one.connections > 1 for one in browsers[:READERS])
        handle = scene.client.get_workflow_handle(thread)
        plugin = StrandsPlugin(models={"m": lambda: LiveModel()}, agents={"teller": teller})
        await assert_replays(handle, [], plugins=[plugin])


async def send(url: str, thread: str) -> None:
    async with httpx.AsyncClient(timeout=WAIT) as http:
        body = run_input("tell", thread=thread, run="r1")
        with contextlib.suppress(httpx.HTTPError):
            async with http.stream("POST", f"{url}/agents/teller", json=body) as answer:
                async for _ in answer.aiter_raw():
                    pass


async def test_ten_megabytes_reach_a_page(agents: Agents) -> None:
    """The page keeps up: it is never further behind than what the stream keeps, 1 MiB.

    The run fails at its end: such an answer needs a store for payloads.
    """
    chunk = "0123456789abcde " * 256  # 4 KB
    said, shown = 0, 0
    read = asyncio.Event()

    async def until_read() -> None:
        nonlocal said
        said += len(chunk)
        while said - shown > 512 * 1024:
            read.clear()
            await asyncio.wait_for(read.wait(), WAIT)

    parts: list[Any] = [part for _ in range(2500) for part in (chunk, until_read)]
    async with web(agents, lambda: LiveModel(play(*parts))) as app:
        thread = f"thread-{uuid.uuid4()}"
        last: dict[str, Any] = {}
        body = run_input("tell", thread=thread)
        async with app.http.stream("POST", "/agents/plain", json=body) as answer:
            async for _, last in sse(answer):
                shown += len(last.get("delta", ""))
                read.set()
        assert shown == 2500 * len(chunk)
        assert (last["type"], "too large" in last["message"]) == ("RUN_ERROR", True)
        await app.env.assert_replays(app.env.client.get_workflow_handle(thread))


async def test_a_page_that_falls_behind_a_burst_is_told_so(agents: Agents) -> None:
    chunk = "0123456789abcde " * 4096  # 64 KB

    async def pause() -> None:
        await asyncio.sleep(0)

    parts: list[Any] = [part for _ in range(160) for part in (chunk, pause)]
    async with web(agents, lambda: LiveModel(play(*parts))) as app:
        events = await app.run("plain", "tell")
        assert sum(len(event.get("delta", "")) for event in events) < 160 * len(chunk)
        names = [event["name"] for event in events if event["type"] == "CUSTOM"]
        assert "strands_temporal.StreamGap" in names, names
        assert events[-1]["type"] == "RUN_ERROR"
        await app.replays()
