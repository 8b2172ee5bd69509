"""Fixtures of all packages' tests: one dev server and one client for the whole run."""

import gc
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeAlias

import pytest
from temporalio.client import Client
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from strands_temporal.testing import AgentEnvironment, DevServer, agent_environment

Agents: TypeAlias = Callable[..., AbstractAsyncContextManager[AgentEnvironment]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the run of the suite in which every workflow task replays from the start."""
    parser.addoption(
        "--no-workflow-cache", action="store_true", help="workers keep no workflow (replay at each task)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take provider credentials away: no test may reach a real provider by accident."""
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
    os.environ.setdefault("AWS_REGION", "us-west-2")
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # Providers that an OTelPlugin sets stay for the process: where no test receives, nothing is to be sent.
    os.environ.setdefault("OTEL_TRACES_EXPORTER", "none")
    os.environ.setdefault("OTEL_METRICS_EXPORTER", "none")


def pytest_collection_finish() -> None:
    """Take all that was imported out of the garbage collector's sight.

    Else a full collection, over the objects of all test modules, may fall into a workflow task on a busy
    machine and take the two seconds after which Temporal calls it deadlocked.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
async def server() -> AsyncGenerator[DevServer]:
    """The Temporal dev server of this run."""
    async with DevServer() as server:
        yield server


@pytest.fixture(scope="session")
async def client(server: DevServer) -> Client:
    """A client without plugins."""
    return await Client.connect(server.address)


@pytest.fixture(scope="session")
def worker_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Worker options of this run: with `--no-workflow-cache` each workflow task replays."""
    # Temporal's own sandbox; only the test runner, which test modules import, is not reloaded each time.
    restrictions = SandboxRestrictions.default.with_passthrough_modules("_pytest", "conftest", "pytest")
    options: dict[str, Any] = {"workflow_runner": SandboxedWorkflowRunner(restrictions=restrictions)}
    if request.config.getoption("--no-workflow-cache"):
        options["max_cached_workflows"] = 0
    return options


@pytest.fixture
def agents(client: Client, worker_options: dict[str, Any]) -> Agents:
    """What opens an agent environment, as `agent_environment` does, on this run's server."""
    return partial(agent_environment, client, **worker_options)
