"""MCP servers that never answer: neither a worker nor a call waits for them forever."""

import asyncio
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Generator
from datetime import timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest
from conftest import Agents
from packages.mcp.tests.mcp_support import OneAttempt, OneServer, attempts, plugins, text, wait_until
from packages.mcp.tests.servers.clients import PYTHON_SERVER, python_server, stdio
from strands.tools.mcp import MCPClient
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_mcp import MCPPlugin, MCPServersUnavailableError

pytestmark = pytest.mark.server

HANGING = str(PYTHON_SERVER.with_name("hanging_server.py"))


@pytest.fixture(autouse=True)
def _servers_that_were_given_up_end(  # pyright: ignore[reportUnusedFunction]  # autouse
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[None]:
    """End the servers. Strands cannot end a session that waits for its server."""
    monkeypatch.setattr("strands_temporal_mcp._session.STOP_SECONDS", 0.5)
    before = set(psutil.Process().children())
    yield
    left = [child for child in psutil.Process().children() if child not in before]
    for child in left:
        child.kill()
    psutil.wait_procs(left, timeout=10)


def hanging(*arguments: str) -> MCPClient:
    return stdio([sys.executable, HANGING, *arguments])


def mcp_worker(client: Client, plugin: MCPPlugin) -> Worker:
    return Worker(client, task_queue=f"mcp-{uuid.uuid4()}", workflows=[OneServer], plugins=[plugin])


@pytest.mark.slow
@pytest.mark.parametrize("deaf_to", ["everything", pytest.param("tools/list", marks=pytest.mark.slow)])
async def test_the_worker_does_not_start(client: Client, deaf_to: str) -> None:
    plugin = MCPPlugin(
        mcp_clients={"fine": python_server, "hanging": partial(hanging, deaf_to)},
        startup_timeout=timedelta(seconds=12),  # enough for the other server on a busy machine
    )
    with pytest.raises(MCPServersUnavailableError, match=r"1 of 2") as error:
        await asyncio.wait_for(mcp_worker(client, plugin).run(), 30)
    assert "'hanging': NoAnswerError: no answer within 12 seconds" in str(error.value)


async def test_a_worker_stopped_while_it_waits_for_a_server_ends_at_once(client: Client) -> None:
    plugin = MCPPlugin(mcp_clients={"hanging": partial(hanging, "everything")})
    starting = asyncio.create_task(mcp_worker(client, plugin).run())
    await wait_until(lambda: bool(psutil.Process().children()))
    stopped = time.monotonic()
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert time.monotonic() - stopped < 20  # the default `startup_timeout` is two minutes


async def test_a_server_that_may_be_absent_does_not_hold_the_worker_up(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    def absent() -> MCPClient:
        return stdio([sys.executable, HANGING, "everything"], continue_on_error=True)

    plugin = MCPPlugin(mcp_clients={"absent": absent}, startup_timeout=timedelta(seconds=2))
    async with mcp_worker(client, plugin):
        await wait_until(lambda: "goes without its tools" in caplog.text)


async def test_a_server_that_comes_back_deaf_fails_its_calls_and_lets_the_worker_end(
    agents: Agents, tmp_path: Path
) -> None:
    """The call kills the server. The server that is started in its place answers nothing."""
    marker = tmp_path / "died"
    model = ScriptedModel(use_tool("die_once", {"marker": str(marker)}), say("done"))
    plugin = MCPPlugin(
        mcp_clients={"tests": partial(hanging, "after", str(marker))}, startup_timeout=timedelta(seconds=8)
    )
    both = [StrandsPlugin(models={"scripted": lambda: model}), plugin]
    async with agents(workflows=[OneServer], plugins=both) as env:
        (result,) = await env.run(OneServer.run, ["go"])
        assert await attempts(env, "tests-call-tool") == [2]
        ending = time.monotonic()
    assert "MCP server 'tests' is unavailable: NoAnswerError: no answer within 8 seconds" in text(result)
    assert time.monotonic() - ending < 20


@pytest.mark.slow
async def test_a_server_that_hangs_with_calls_under_way_gets_no_more_and_is_replaced_after_them(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strands_temporal_mcp")
    monkeypatch.setattr("strands_temporal_mcp._session.PROBE_SECONDS", 0.5)
    marker = tmp_path / "hangs"
    script = {"long": ("hang", {"marker": str(marker)}), "short": ("process", {}), "next": ("process", {})}
    model = ScriptedModel(
        lambda call: say("done") if call.text not in script else use_tool(*script[call.text])
    )
    both = plugins(model, tests=python_server)
    (session,) = both[1]._servers.sessions
    async with agents(workflows=[OneAttempt], plugins=both) as env:
        env.timeout = timedelta(minutes=2)
        long = await env.start(OneAttempt.run, 3.0, 8.0, "long")
        await wait_until(lambda: marker.exists() and bool(marker.read_text()))
        os.kill(int(marker.read_text()), signal.SIGSTOP)  # from now on the server answers nothing
        hung, _ = await env.run(OneAttempt.run, 3.0, 2.0, "short")
        assert "StartToClose" in text(hung)
        await wait_until(lambda: session._suspect)  # the worker learns of the timeout from a heartbeat
        assert "connecting again" not in caplog.text
        answered, _ = await env.run(OneAttempt.run, 5.0, 60.0, "next")
        await long.result()
    assert answered["status"] == "success", text(answered)
    assert text(answered) != marker.read_text()
