"""The examples with the small real model and without a server, their replays, and their README.md's form.

test_examples_scripted.py follows the READMEs.
"""

import re
import signal
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from examples.continue_as_new.workflow import ChatWorkflow
from examples.hello_world.workflow import HelloWorldWorkflow
from examples.hooks.workflow import HooksWorkflow, record_tool_call
from examples.models.workflow import CHOSEN, SMALL, ModelsWorkflow
from examples.retries.workflow import RetriesWorkflow
from examples.structured_output.workflow import StructuredOutputWorkflow, Trip
from examples.support.programs import note_missing_worker
from examples.tools.workflow import ToolsWorkflow, free_disk_space
from temporalio.client import Client, WorkflowContinuedAsNewError

from integration_tests.openai_stand_in import Deltas, openai_provider
from integration_tests.readme_runs import SCRIPTED, SECTION
from integration_tests.terminals import ROOT, WAIT, example_worker, terminal
from strands_temporal import ConversationClient, ConversationStart
from strands_temporal.testing import DevServer, Reply, ScriptedModel, say, use_tool

pytestmark = pytest.mark.server

EXAMPLES = ROOT / "examples"


@pytest.fixture
def local(server: DevServer) -> dict[str, str]:
    """Environment variables that make the examples use the small model on this machine."""
    return {"TEMPORAL_ADDRESS": server.address, "STRANDS_TEMPORAL_MODEL": "local"}


async def what_the_client_says(variables: dict[str, str], example: str, *, exit_code: int = 0) -> str:
    async with terminal(variables, f"examples.{example}.client") as client:
        seen = await client.rest()
        assert await client.exit_code() == exit_code, seen
        return seen


@pytest.mark.slow  # loads the small model; `make test` runs `make demo`, which has the same model
async def test_hello_world(local: dict[str, str]) -> None:
    async with example_worker(local, "hello_world"):
        assert re.search(r"^Result: .*\w", await what_the_client_says(local, "hello_world"))


@pytest.mark.slow  # as above; test_examples_scripted.py follows these examples without the model
@pytest.mark.parametrize(
    ("example", "line"),
    [
        ("tools", r"Tools called: none \(the small model on this machine cannot call any; .+\)\nResult: "),
        (
            "hooks",
            r"Recorded by the activity: nothing, no tool was called \(.+ STRANDS_TEMPORAL_MODEL=scripted ",
        ),
        # So small a model gives no object, or an endless text instead.
        ("structured_output", "^The workflow failed: (StructuredOutput|MaxTokensReached)Exception: "),
    ],
)
async def test_a_model_that_calls_no_tools_is_said_in_one_line(
    local: dict[str, str], example: str, line: str
) -> None:
    async with example_worker(local, example):
        seen = await what_the_client_says(local, example, exit_code=int("failed" in line))
    assert re.search(line, seen), seen
    assert "Traceback" not in seen


@pytest.mark.slow
async def test_temporal_gives_up_when_the_policy_says_so(local: dict[str, str]) -> None:
    async with example_worker(local | SCRIPTED, "retries", "3") as watched:
        seen = await what_the_client_says(local, "retries", exit_code=1)
        log = await watched.until("Attempt 3: throttled\n")
    assert "The workflow failed: ModelThrottledException: " in seen
    assert "The provider is busy (attempt 3)" in seen
    assert "Traceback" not in seen + log


@pytest.mark.parametrize(
    ("workflow_class", "replies"),
    [
        (HelloWorldWorkflow, [say("Hello")]),
        (RetriesWorkflow, [say("Hello")]),
        (ModelsWorkflow, [say("Hello")]),
        (ToolsWorkflow, [use_tool("free_disk_space", {"path": str(ROOT)}), say("Hello")]),
        (HooksWorkflow, [use_tool("letter_counter", {"word": "word", "letter": "w"}), say("Hello")]),
        (
            StructuredOutputWorkflow,
            [use_tool("Trip", {"city": "Rome", "days": 2, "month": "June"}), say("Hello")],
        ),
    ],
)
async def test_the_workflow_replays(
    agents: Agents, workflow_class: Callable[..., Any], replies: list[Reply]
) -> None:
    async with agents(
        workflows=[workflow_class],
        models={name: lambda: ScriptedModel(*replies) for name in (CHOSEN, SMALL)},
        activities=[free_disk_space, record_tool_call],
    ) as env:
        result = await env.run(getattr(workflow_class, "run"), "Hi")  # noqa: B009  # one method of many classes
    assert result == Trip(city="Rome", days=2, month="June") or "Hello" in str(result)


async def test_the_chat_replays_in_both_runs(agents: Agents) -> None:
    models = {CHOSEN: lambda: ScriptedModel(say("Hello"))}
    async with agents(workflows=[ChatWorkflow], models=models) as env:
        handle = await env.start(ChatWorkflow.run, ConversationStart())
        chat = ConversationClient(env.client, handle.id)
        answer = await chat.send("Hi", id="turn-1")
        first_run = env.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        await handle.signal(ChatWorkflow.move_on)
        with pytest.raises(WorkflowContinuedAsNewError):
            await first_run.result(follow_runs=False)
        await env.assert_replays(first_run)
        assert (await chat.send("Hi", id="turn-1"), answer.text) == (answer, "Hello")
        await chat.close()
        assert (await handle.result()).turns == 1
        await env.assert_replays(chat.handle)


@pytest.mark.parametrize(
    "readme",
    [path.with_name("README.md") for path in sorted(EXAMPLES.glob("*/client.py"))],
    ids=lambda readme: readme.parent.name,
)
def test_the_readme_begins_with_five_lines_and_its_commands_exist(readme: Path) -> None:
    text = readme.read_text()
    assert len(text.partition(SECTION)[0].splitlines()) == 5
    modules = set(re.findall(r"python -m (examples[.\w]+)", text))
    assert modules >= {f"examples.{readme.parent.name}.{program}" for program in ("worker", "client")}
    assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module in modules)


def test_the_table_names_every_example() -> None:
    folders = {folder.parent.name for folder in EXAMPLES.glob("*/worker.py")} | {"demo"}
    assert set(re.findall(r"^\| \[(\w+)\]", (EXAMPLES / "README.md").read_text(), re.MULTILINE)) == folders


@pytest.mark.parametrize("program", ["worker", "client"])
async def test_without_a_server_it_is_said_in_one_line(local: dict[str, str], program: str) -> None:
    variables = local | {"TEMPORAL_ADDRESS": "127.0.0.1:1"}
    async with terminal(variables, f"examples.hello_world.{program}") as started:
        seen = await started.rest()
        assert await started.exit_code() == 1
    assert seen.startswith("No Temporal server answers at 127.0.0.1:1. Start one with `make server`")
    assert seen.count("\n") == 1


async def test_a_missing_worker_is_noted_and_a_present_one_is_not(
    agents: Agents, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    await note_missing_worker(client, f"nobody-{uuid.uuid4()}", "hello_world", patience=0)
    assert "run `python -m examples.hello_world.worker` in another terminal" in capsys.readouterr().out
    async with agents(workflows=[HelloWorldWorkflow]) as env:
        await note_missing_worker(client, env.task_queue, "hello_world", patience=WAIT)
    assert capsys.readouterr().out == ""


@pytest.mark.slow  # the worker's grace period for the call is twenty seconds
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl+C", "SIGTERM"])
async def test_a_worker_ends_in_order_in_the_middle_of_an_answer_and_the_next_one_goes_on(
    local: dict[str, str], sign: signal.Signals
) -> None:
    go_on = threading.Event()

    def answer(asked: dict[str, Any]) -> Deltas:
        yield {"content": "Half of "}
        go_on.wait(WAIT)
        yield {"content": "it."}

    with openai_provider(answer) as provider:
        variables = local | {"STRANDS_TEMPORAL_MODEL": "stand-in"} | provider
        async with terminal(variables, "examples.streaming.client") as client:
            try:
                async with example_worker(variables, "streaming") as first:
                    await client.until("Half of ")
                    first.send(sign)
                    assert await first.rest() == "Worker ended.\n"
                    assert await first.exit_code() == 0
            finally:
                go_on.set()
            async with example_worker(variables, "streaming"):
                seen = await client.rest()
    assert seen == (
        "\n[CancelledError; this does not count]\n"
        "\n[once more, from the start]\nHalf of it.\n[COMPLETED]\nFinal result: Half of it.\n\n"
    )
