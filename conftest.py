"""Fixtures of all packages' tests: one dev server and one client for the whole run."""

import asyncio
import gc
import os
import signal
import time
import uuid
import zlib
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Any, TypeAlias

import pytest
from temporalio.api.workflowservice.v1 import PauseWorkflowExecutionRequest, UnpauseWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from strands_temporal.testing import AgentEnvironment, DevServer, agent_environment

Agents: TypeAlias = Callable[..., AbstractAsyncContextManager[AgentEnvironment]]


class CacheChoice(str, Enum):
    """Whether the workers of a test keep workflows between tasks. Without, each workflow task replays."""

    BY_NAME = "by-name"  # half of the tests each, by a hash of the test's name
    FLIPPED = "flipped"  # the other half each: after both, each test has seen both
    ON = "on"
    OFF = "off"

    def keeps_workflows(self, nodeid: str) -> bool:
        """Tell whether the workers of this test have the cache."""
        if self in (CacheChoice.ON, CacheChoice.OFF):
            return self is CacheChoice.ON
        return (zlib.crc32(nodeid.encode()) % 2 == 0) is (self is CacheChoice.BY_NAME)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses which tests run without the workflow cache."""
    parser.addoption(
        "--workflow-cache",
        choices=[choice.value for choice in CacheChoice],
        default=CacheChoice.BY_NAME.value,
        help="which tests' workers keep workflows between tasks; without, each workflow task replays",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take provider credentials away, so that no test reaches a real provider by accident; hear Ctrl+C."""
    gc.disable()  # imports leave no garbage worth a quarter of their time
    # Not above: test modules with workflows import this one, in the sandbox too.
    from hypothesis import HealthCheck, settings

    # How long a machine takes to make examples, or to run one, proves nothing.
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")
    for name in (
        "ANTHROPIC_API_KEY",
        "OPENAI_API_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "OLLAMA_HOST",
    ):
        os.environ.pop(name, None)
    # A shell ignores Ctrl+C for what it runs in the background, and for all that it starts: tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("AWS_REGION", "us-west-2")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # Providers that an OTelPlugin sets stay for the process: where no test receives, nothing is to be sent.
    os.environ.setdefault("OTEL_TRACES_EXPORTER", "none")
    os.environ.setdefault("OTEL_METRICS_EXPORTER", "none")


@pytest.hookimpl(tryfirst=True)  # before pytest's own, which selects by `-m`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what `@pytest.mark.sample(n)` leaves to `make test-all`: all but n of a test's cases."""
    cases: dict[tuple[str, int], list[pytest.Item]] = {}
    for item in items:
        marker = item.get_closest_marker("sample")
        if marker and not item.get_closest_marker("slow"):
            cases.setdefault((item.nodeid.partition("[")[0], marker.args[0]), []).append(item)
    for (_, n), of_one_test in cases.items():
        kept = {int(len(of_one_test) / n * i) for i in range(n)}
        for i, item in enumerate(of_one_test):
            if i not in kept:
                item.add_marker("slow")


COLLECT_EVERY = 20
"""Tests between two garbage collections."""


def pytest_collection_finish() -> None:
    """Freeze what was imported, and collect garbage between tests only.

    Otherwise a full collection, over the objects of all test modules, can run inside a workflow task on a
    busy machine and take the two seconds after which Temporal calls the task deadlocked.
    """
    gc.collect()
    gc.freeze()


def pytest_runtest_logfinish() -> None:
    """Collect garbage every few tests. What is left then stays, and need not be looked at again."""
    global _tests_run
    _tests_run += 1
    if _tests_run % COLLECT_EVERY == 0:
        gc.collect()
        gc.freeze()


_tests_run = 0


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape half surrogate pairs in what a test printed: pytest-xdist cannot send them between processes."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how long each stage of `make test` took, before the summary, which is its last line."""
    if name := os.environ.get("CHECK_NAME"):
        began = float(os.environ["CHECK_BEGAN"])
        stages = [stage for stage in os.environ["CHECK_STAGES"].splitlines() if stage]
        terminalreporter.section("stages")
        terminalreporter.write_line(
            "\n".join([*stages, f"{name} (below)", f"{time.time() - began:.0f} s in all"])
        )


SERVER_SETTINGS = (
    "frontend.WorkflowPauseEnabled=true",
    # How long the server waits for a workflow task that a worker without the cache has lost beside queries
    # (findings/queries-lose-tasks-without-the-cache.sh), instead of 10 seconds.
    'history.defaultWorkflowTaskTimeout="5s"',
    # Each test has task queues of its own, which the server would look after for five minutes, in four parts.
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
    'matching.maxTaskQueueIdleTime="20s"',
)
"""Dynamic configuration of the dev server."""


@pytest.fixture(scope="session")
async def server() -> AsyncGenerator[DevServer]:
    """The Temporal dev server of this run."""
    async with DevServer(
        extra_args=[part for value in SERVER_SETTINGS for part in ("--dynamic-config-value", value)]
    ) as server:
        yield server


@pytest.fixture(scope="session")
async def client(server: DevServer) -> Client:
    """A client without plugins."""
    return await Client.connect(server.address)


@pytest.fixture
def worker_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Worker options of this test."""
    return worker_options_for(request.node.nodeid, request.config)


def worker_options_for(name: str, config: pytest.Config) -> dict[str, Any]:
    """Return worker options for what has `name`, with or without the workflow cache."""
    # Temporal's own sandbox; only the test runner, which test modules import, is not reloaded each time.
    restrictions = SandboxRestrictions.default.with_passthrough_modules("_pytest", "conftest", "pytest")
    options: dict[str, Any] = {
        "workflow_runner": SandboxedWorkflowRunner(restrictions=restrictions),
        "graceful_shutdown_timeout": timedelta(microseconds=1),  # tests end workers in the middle of calls
        # How long the server waits for a worker that ended before it gives a workflow to another one.
        "sticky_queue_schedule_to_start_timeout": timedelta(seconds=1),
    }
    if not CacheChoice(config.getoption("--workflow-cache")).keeps_workflows(name):
        options["max_cached_workflows"] = 0
    return options


async def at_rest(handle: "WorkflowHandle[Any, Any]") -> None:
    """Wait until a workflow has worked on all that happened, and waits; 30 seconds at most.

    A query in the midst of a workflow task shows what that task computes with the time and the ids of the
    task before; a query after it shows its own (docs/determinism.md).
    """
    for _ in range(600):
        raw = (await handle.describe()).raw_description
        if not raw.pending_activities and not raw.pending_workflow_task.ByteSize():
            return
        await asyncio.sleep(0.05)  # nobody is told of the end of a workflow task
    raise AssertionError(f"{handle.id} still works")


async def pause(client: Client, workflow_id: str) -> None:
    """Pause a workflow as `temporal workflow pause` does; skip the test where the server cannot."""
    request = PauseWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=workflow_id,
        identity="an operator",
        reason="to look at it",
        request_id=str(uuid.uuid4()),
    )
    try:
        await client.workflow_service.pause_workflow_execution(request, retry=True)
    except RPCError as error:
        if error.status not in (RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.INVALID_ARGUMENT):
            raise
        pytest.skip(f"this server does not pause workflows: {error.message}")


async def require_pauses(client: Client) -> None:
    """Skip the test where the server cannot pause workflows. For tests that pause in the midst of a call."""
    try:
        await pause(client, "no-such-workflow")
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise


async def unpause(client: Client, workflow_id: str) -> None:
    """Let a paused workflow go on, as `temporal workflow unpause` does."""
    await client.workflow_service.unpause_workflow_execution(
        UnpauseWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_id=workflow_id,
            identity="an operator",
            request_id=str(uuid.uuid4()),
        ),
        retry=True,
    )


@pytest.fixture
def agents(client: Client, worker_options: dict[str, Any]) -> Agents:
    """What opens an agent environment, as `agent_environment` does, on this run's server."""
    return partial(agent_environment, client, **worker_options)
