"""The example as processes, as a person sees it who follows its README.md."""

import signal

import pytest
from integration_tests.readme_runs import assert_as_shown, example_running, shown_by_readme

from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server


async def test_a_person_sees_the_tools_answer(server: DevServer) -> None:
    async with example_running({"TEMPORAL_ADDRESS": server.address}, "mcp") as (worker, client):
        assert_as_shown(await client.rest(), shown_by_readme("mcp").client)
        worker.send(signal.SIGINT)
        assert (await worker.rest()).endswith("Worker ended.\n")
