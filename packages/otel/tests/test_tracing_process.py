"""Processes that set their own providers, or none. Each case runs in its own process."""

import asyncio
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from packages.otel.tests.otlp_receiver import Receiver, otlp_receiver
from packages.otel.tests.tracing_support import TREE, tree_of

from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[3]
ANSWER = "clear in Rome; tenant blue; "


@pytest.fixture
def receiver() -> Generator[Receiver]:
    with otlp_receiver() as receiver:
        yield receiver


async def run(server: DevServer, receiver: Receiver, way: str, **variables: str) -> tuple[int, str, str]:
    """Run `tracing_process.py` and return its exit code, output and log."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "faulthandler", "-m", "packages.otel.tests.tracing_process"),
        *(server.address, way),
        cwd=ROOT,
        env=env | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url} | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = asyncio.ensure_future(process.communicate())
    if not (await asyncio.wait([ended], timeout=60))[0]:
        process.send_signal(signal.SIGABRT)  # faulthandler then writes each thread's stack
        pytest.fail(f"the process does not end: {await asyncio.wait_for(ended, 30)}")
    out, err = await ended
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.slow
async def test_the_guides_way(server: DevServer, receiver: Receiver) -> None:
    code, out, log = await run(server, receiver, "guide")
    assert code == 0, log[-2000:]
    assert out.startswith(ANSWER)
    assert len({span.trace_id for span in receiver.spans}) == 1
    assert receiver.twice() == []
    cycle = ["    execute_event_loop_cycle", "      chat"]
    assert receiver.tree() == [
        "ask",
        "  invoke_agent Strands Agents",
        *[*cycle, "      execute_tool letter_counter"],
        *[*cycle, "      execute_tool fetch_sky"],
        *[*cycle, "      execute_tool Weather"],
    ]


async def test_one_line_is_enough(server: DevServer, receiver: Receiver) -> None:
    code, out, log = await run(
        server,
        receiver,
        "one_line",
        OTEL_SERVICE_NAME="weather",
        OTEL_EXPORTER_OTLP_HEADERS="x-tenant=blue",
    )
    assert code == 0, log[-2000:]
    assert out.startswith(ANSWER)
    # `ask` ended after the worker, so the process exported it at its exit.
    assert receiver.tree() == tree_of(TREE)
    assert receiver.twice() == []
    assert {span.service for span in receiver.spans} == {"weather"}
    assert {headers["x-tenant"] for headers in receiver.headers} == {"blue"}
    assert receiver.counts()["strands.event_loop.cycle_count"] == 3


@pytest.mark.slow
async def test_the_applications_providers_stay(server: DevServer, receiver: Receiver) -> None:
    code, out, log = await run(server, receiver, "own")
    assert code == 0, log[-2000:]
    assert out.startswith(ANSWER)
    assert receiver.tree() == tree_of(TREE)
    assert receiver.twice() == []
    assert "provider=<MeterProvider> | the application's meter provider stays" in log
    assert receiver.counts()["gen_ai.client.operation.duration"] == 3
    assert receiver.counts()["strands.event_loop.cycle_count"] == 3


async def test_a_provider_that_does_not_know_replays_is_refused(
    server: DevServer, receiver: Receiver
) -> None:
    code, _, log = await run(server, receiver, "plain")
    assert code == 1
    assert "ValueError: OTelPlugin: the process's tracer provider is TracerProvider" in log
    assert "create_tracer_provider()" in log


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    "variables",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_SAMPLER": "always_off"}],
    ids=["disabled", "sampler"],
)
async def test_the_standard_switches(
    server: DevServer, receiver: Receiver, variables: dict[str, str]
) -> None:
    code, out, log = await run(server, receiver, "one_line", **variables)
    assert code == 0, log[-2000:]
    assert out.startswith(ANSWER)
    assert receiver.spans == []
    assert bool(receiver.exports) is ("OTEL_TRACES_SAMPLER" in variables)
