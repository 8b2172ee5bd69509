"""A web server that is killed in mid-answer, and many readers of one thread."""

import asyncio
import contextlib
import sys
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from conftest import Agents
from integration_tests import real_parts
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play
from packages.streaming.tests.test_web_threads import is_over, read_thread
from packages.streaming.tests.test_web_threads import plain as plain_events
from packages.streaming.tests.web_agents import plain
from packages.streaming.tests.web_support import assert_conforms, joined, run_input, sse, text_of, web

from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer

pytestmark = [pytest.mark.server, pytest.mark.slow]


@asynccontextmanager
async def web_server(address: str, task_queue: str, port: int) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a web server in a process of its own. Leaving the block kills it."""
    program = [sys.executable, "-m", "packages.streaming.tests.web_server", address, task_queue, str(port)]
    process = await asyncio.create_subprocess_exec(*program)
    try:
        ended = lambda: None if process.returncode is None else "the web server has ended"  # noqa: E731
        await real_parts.answers(port, WAIT, ended)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_web_server_is_killed_in_mid_answer(agents: Agents, server: DevServer) -> None:
    said, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        said.set()
        await bounded(go_on)

    model = LiveModel(play("Once ", "upon ", wait, "a ", "time."))
    plugin = StrandsPlugin(models={"m": lambda: model}, agents={"plain": plain})
    thread, port = f"thread-{uuid.uuid4()}", real_parts.free_port()
    async with agents(workflows=[], plugins=[plugin]) as env:
        http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WAIT)
        body = run_input("tell", thread=thread, run="r1")
        seen: list[dict[str, Any]] = []
        last: str | None = None
        async with (
            web_server(server.address, env.task_queue, port) as first,
            http.stream("POST", "/agents/plain", json=body) as answer,
        ):
            with contextlib.suppress(httpx.RemoteProtocolError):  # the connection is cut
                async for id_, event in sse(answer):
                    seen.append(event)
                    last = id_ or last
                    if text_of(seen).endswith("upon "):
                        first.kill()
        async with web_server(server.address, env.task_queue, port):
            reading = asyncio.create_task(read_thread(http, thread, last, is_over))
            go_on.set()
            rest = [event for _, event in await reading]
            async with http.stream("POST", "/agents/plain", json=body) as answer:
                again = [event async for _, event in sse(answer)]
        assert joined([*seen, *rest]) == joined(again)
        assert text_of(again) == "Once upon a time."
        assert_conforms(again)
        assert len(model.calls) == 1
        await http.aclose()
        await env.assert_replays(env.client.get_workflow_handle(thread))


async def test_twenty_readers_of_one_thread(agents: Agents) -> None:
    said, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        said.set()
        await bounded(go_on)

    words = [f"{number} " for number in range(50)]
    async with web(agents, lambda: LiveModel(play(*words[:25], wait, *words[25:]))) as app:
        thread = f"thread-{uuid.uuid4()}"
        running = asyncio.create_task(app.run("plain", "count", thread=thread, run="r1"))
        await bounded(said)
        readers = [asyncio.create_task(read_thread(app.http, thread, None, is_over)) for _ in range(20)]
        go_on.set()
        read = await asyncio.gather(*readers)
        assert all(plain_events(events) == plain_events(read[0]) for events in read)
        assert text_of([event for _, event in read[0]]) == "".join(words) == text_of(await running)
        await app.replays()
