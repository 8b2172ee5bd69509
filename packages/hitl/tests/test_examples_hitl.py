"""The three examples of approvals, as processes: what a person sees who follows their README.md."""

import os
import re

import pexpect
import pytest
from conftest import at_rest
from integration_tests.readme_runs import (
    SCRIPTED,
    assert_as_shown,
    example_running,
    shown_by_readme,
    typed_as_shown,
)
from integration_tests.terminals import ROOT, WAIT, example_worker, terminal
from packages.core.tests.command_processes import SCRIPT
from temporalio.client import Client

from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server

README = ROOT / "examples" / "tool_interrupt" / "README.md"


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
async def test_a_person_decides_in_the_chat(environment: dict[str, str]) -> None:
    shown = shown_by_readme("tool_interrupt").client
    async with example_worker(environment | SCRIPTED, "tool_interrupt"):
        chat = chatting(environment)
        for line in shown:
            prompt = re.match(r"you> |Allow it.*\] ", line)
            chat.expect(coloured(prompt[0] if prompt else line))
            if prompt:
                chat.sendline(line.removeprefix(prompt[0]))
        chat.sendline("/close")
        chat.expect(pexpect.EOF)


@pytest.mark.slow
async def test_somebody_else_decides_at_the_command_line(environment: dict[str, str], client: Client) -> None:
    [asked] = [
        line.removeprefix("you> ") for line in shown_by_readme("tool_interrupt").client if "you>" in line
    ]
    async with example_worker(environment | SCRIPTED, "tool_interrupt"):
        chat = chatting(environment)
        chat.expect(r"Conversation cleaner-\w+")
        workflow_id = str(chat.after).removeprefix("Conversation ")
        chat.sendline(asked)
        chat.expect("Allow it")
        await at_rest(client.get_workflow_handle(workflow_id))
        async with terminal(environment, "strands_temporal_hitl", "reject", workflow_id) as hand:
            await hand.rest()
            assert await hand.exit_code() == 0
        chat.expect_exact("[scripted] old-backup was kept")
        chat.sendline("/close")
        chat.expect(pexpect.EOF)


def coloured(text: str) -> str:
    """Return a pattern for a text in which a colour may end before a space."""
    return re.escape(text).replace(r"\ ", r"(?:\x1b\[\d*m)? ")


def chatting(environment: dict[str, str]) -> "pexpect.spawn[str]":
    """Chat with the example's agent in a terminal, as its README says."""
    [words] = re.findall(r"`strands-temporal (chat cleaner [^`]+)`", README.read_text())
    return pexpect.spawn(
        str(SCRIPT),
        words.split(),
        env={**os.environ, **environment, "TERM": "xterm"},  # pyright: ignore[reportArgumentType]  # as in `dev`
        encoding="utf-8",
        timeout=WAIT,
        echo=False,
        dimensions=(40, 200),
    )


@pytest.mark.sample(1)
@pytest.mark.parametrize("example", ["human_in_the_loop", "tool_interrupt", "activity_interrupt"])
async def test_without_a_model_that_calls_tools_the_worker_says_what_it_needs(
    environment: dict[str, str], example: str
) -> None:
    variables = environment | {"STRANDS_TEMPORAL_MODEL": "local"}
    async with terminal(variables, f"examples.{example}.worker") as worker:
        said = await worker.until("STRANDS_TEMPORAL_MODEL=scripted runs it with a scripted model.\n")
        assert "This example needs a model that calls tools" in said
