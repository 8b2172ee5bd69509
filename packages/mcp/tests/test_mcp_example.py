"""The example as processes, as a person sees it."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Generator
from pathlib import Path

import pytest
from integration_tests.openai_stand_in import openai_stand_in

from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def environment(server: DevServer) -> Generator[dict[str, str]]:
    with openai_stand_in({"echo": {"message": "durable execution"}}) as model:
        yield os.environ | model | {"TEMPORAL_ADDRESS": server.address}


async def test_a_person_sees_the_tools_answer(environment: dict[str, str]) -> None:
    async def start(module: str, *args: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *args, cwd=ROOT, env=environment, stdout=PIPE, stderr=STDOUT
        )

    worker = await start("examples.mcp.worker")
    try:
        assert worker.stdout
        line = await asyncio.wait_for(worker.stdout.readline(), 60)
        assert line.startswith(b"Worker started"), line + await worker.stdout.read()
        client = await start("examples.mcp.client", "durable execution")
        shown, _ = await asyncio.wait_for(client.communicate(), 60)
        assert shown.decode().splitlines() == [
            "Tools of the agent: echo",
            "Called: {'echo': 1}",
            "Result: Echo: durable execution",
        ]
        worker.send_signal(signal.SIGINT)
        rest, _ = await asyncio.wait_for(worker.communicate(), 90)
        assert rest.decode().endswith("Worker ended.\n")
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()
