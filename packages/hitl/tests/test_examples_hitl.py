"""The three examples of approvals, as processes: what a person sees who follows their README.md."""

import pytest
from conftest import at_rest
from integration_tests.readme_runs import assert_as_shown, example_running, shown_by_readme, typed_as_shown
from integration_tests.terminals import terminal
from temporalio.client import Client

from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server


@pytest.fixture
def environment(server: DevServer) -> dict[str, str]:
    """Environment variables of the examples' processes."""
    return {"TEMPORAL_ADDRESS": server.address}


@pytest.mark.sample(1)
@pytest.mark.parametrize(
    ("example", "kept"),
    [("human_in_the_loop", "A person said no."), ("activity_interrupt", "old-backup was kept")],
)
async def test_the_client_asks_and_the_agent_obeys(
    environment: dict[str, str], example: str, kept: str
) -> None:
    shown = shown_by_readme(example)
    async with (
        example_running(environment, example) as (_, client),
        terminal(environment, f"examples.{example}.client") as another,
    ):
        assert_as_shown(await typed_as_shown(client, shown.client), shown.client)
        await another.until("[y/n] ")
        await another.type("n")
        assert await another.rest() == f"Result: [scripted] {kept}\n"


@pytest.mark.slow
async def test_a_person_decides_at_the_command_line(environment: dict[str, str], client: Client) -> None:
    shown = shown_by_readme("tool_interrupt")
    async with example_running(environment, "tool_interrupt") as (_, started):
        seen = await started.until("strands_temporal_hitl approve ")
        workflow_id = (await started.until("\n")).strip()
        await at_rest(client.get_workflow_handle(workflow_id))
        async with terminal(environment, "strands_temporal_hitl", "approve", workflow_id) as hand:
            assert "    Delete old-backup?\n" in await hand.until("Approve? [y/N] ")
            await hand.type("y")
            assert (await hand.until("\n")).endswith(': delete_thing {"name": "old-backup"}\n')
        assert_as_shown(f"{seen}{workflow_id}\n" + await started.rest(), shown.client)


@pytest.mark.sample(1)
@pytest.mark.parametrize("example", ["human_in_the_loop", "tool_interrupt", "activity_interrupt"])
async def test_without_a_model_that_calls_tools_the_worker_says_what_it_needs(
    environment: dict[str, str], example: str
) -> None:
    variables = environment | {"STRANDS_TEMPORAL_MODEL": "local"}
    async with terminal(variables, f"examples.{example}.worker") as worker:
        said = await worker.until("STRANDS_TEMPORAL_MODEL=scripted runs it with a scripted model.\n")
        assert "This example needs a model that calls tools" in said
