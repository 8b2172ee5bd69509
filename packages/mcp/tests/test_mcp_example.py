"""The example, run as processes. Asserts what a person sees."""

import signal
from collections.abc import Generator

import pytest
from integration_tests.openai_stand_in import openai_stand_in
from integration_tests.terminals import example_worker, terminal

from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server


@pytest.fixture
def environment(server: DevServer) -> Generator[dict[str, str]]:
    with openai_stand_in({"echo": {"message": "durable execution"}}) as model:
        yield model | {"TEMPORAL_ADDRESS": server.address}


async def test_a_person_sees_the_tools_answer(environment: dict[str, str]) -> None:
    async with example_worker(environment, "mcp") as worker:
        async with terminal(environment, "examples.mcp.client", "durable execution") as client:
            assert (await client.rest()).splitlines() == [
                "Tools of the agent: echo",
                "Called: {'echo': 1}",
                "Result: Echo: durable execution",
            ]
        worker.send(signal.SIGINT)
        assert (await worker.rest()).endswith("Worker ended.\n")
