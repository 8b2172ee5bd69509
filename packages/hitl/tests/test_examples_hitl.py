"""The three examples of approvals, run as processes whose output a person reads and who types into them."""

import os
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
from integration_tests.openai_stand_in import openai_stand_in
from integration_tests.terminals import terminal

from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[3]


@pytest.fixture
def environment(server: DevServer) -> Generator[dict[str, str]]:
    """Environment variables of the examples' processes."""
    with openai_stand_in({"delete_file": {"path": "it"}, "delete_thing": {"name": "it"}}) as model:
        yield os.environ | model | {"TEMPORAL_ADDRESS": server.address}


@pytest.mark.parametrize(
    ("example", "question", "approved", "rejected"),
    [
        ("human_in_the_loop", "Delete it? [y/n] ", ["deleted it"], ["A person said no."]),
        (
            "activity_interrupt",
            "Delete the protected resource 'it'?\ndelete_thing {'name': 'it'} [y/n] ",
            ["deleted it"],
            ["it was kept"],
        ),
    ],
)
async def test_the_client_asks_and_the_agent_obeys(
    environment: dict[str, str], example: str, question: str, approved: Sequence[str], rejected: Sequence[str]
) -> None:
    async with terminal(environment, f"examples.{example}.worker") as worker:
        await worker.until("Worker started")
        for answer, words in (("y", approved), ("n", rejected)):
            async with terminal(environment, f"examples.{example}.client") as client:
                assert (await client.until("[y/n] ")) == question
                await client.type(answer)
                assert (await client.until("\n")) == f"Result: {words[0]}\n"


async def test_a_person_decides_at_the_command_line(environment: dict[str, str]) -> None:
    async with terminal(environment, "examples.tool_interrupt.worker") as worker:
        await worker.until("Worker started")
        async with terminal(environment, "examples.tool_interrupt.client") as client:
            await client.until("strands_temporal_hitl approve ")
            workflow_id = (await client.until("\n")).strip()
            await listed(environment, workflow_id)
            async with terminal(environment, "strands_temporal_hitl", "approve", workflow_id) as hand:
                await hand.until("Approve? [y/N] ")
                await hand.type("y")
                assert (await hand.until("\n")).endswith(': delete_thing {"name": "it"}\n')
            assert (await client.until("\n")) == "Result: deleted it\n"


async def listed(environment: dict[str, str], workflow_id: str) -> None:
    """Run the list command, as a person would, until the workflow asks."""
    for _ in range(30):
        async with terminal(environment, "strands_temporal_hitl", "show", workflow_id) as hand:
            if "1 waiting" in await hand.until("\n"):
                assert "    Delete it?\n" in await hand.until("Delete it?\n")
                return
    raise AssertionError("the workflow never asked")


@pytest.mark.parametrize("example", ["human_in_the_loop", "tool_interrupt", "activity_interrupt"])
async def test_without_a_model_that_calls_tools_the_worker_says_what_it_needs(
    environment: dict[str, str], example: str
) -> None:
    variables = environment | {"STRANDS_TEMPORAL_MODEL": "local"}
    async with terminal(variables, f"examples.{example}.worker") as worker:
        assert "This example needs a model that calls tools" in await worker.until("See its README.md.")


@pytest.mark.parametrize("example", ["human_in_the_loop", "tool_interrupt", "activity_interrupt"])
def test_the_readme_has_five_lines(example: str) -> None:
    assert len((ROOT / "examples" / example / "README.md").read_text().splitlines()) == 5
