"""What docs/troubleshooting.md says one sees is what one sees."""

import asyncio
import importlib
import re
import shlex
import subprocess
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import Agents
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.service import RPCError
from temporalio.worker import Worker

from integration_tests.doc_blocks import check_command
from integration_tests.pages import DOCS, blocks
from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import DevServer, ScriptedModel, assert_replays, find_server_binary
from strands_temporal.workflow import execute_activity

pytestmark = pytest.mark.server

PAGE = DOCS / "troubleshooting.md"
TEXT = PAGE.read_text()
PROSE = " ".join(TEXT.split())


@workflow.defn(name="Asks")
class Asks:
    @workflow.run
    async def run(self, prompt: str) -> str:
        return str(await TemporalAgent("model", callback_handler=None).invoke_async(prompt))


@activity.defn
async def extra() -> None: ...


@workflow.defn(name="Asks")
class AsksAfterADeploy:
    @workflow.run
    async def run(self, prompt: str) -> str:
        await execute_activity(extra, [], {"start_to_close_timeout": timedelta(seconds=5)})
        return str(await TemporalAgent("model", callback_handler=None).invoke_async(prompt))


@workflow.defn
class ReturnsTooMuch:
    @workflow.run
    async def run(self, prompt: str) -> str:
        TemporalAgent("model", callback_handler=None)
        return "x" * 3_000_000


HELLO = """
import asyncio

from temporalio import workflow


@workflow.defn
class Hello:
    @workflow.run
    async def run(self) -> None: ...
"""


@pytest.fixture
async def lonely(client: Client) -> str:
    """The id, and the task queue, of a workflow that no worker serves."""
    name = f"lonely-{uuid.uuid4()}"
    await client.start_workflow(
        Asks.run, "Hi", id=name, task_queue=name, execution_timeout=timedelta(minutes=5)
    )
    return name


async def cli(server: DevServer, *args: str) -> str:
    """Run Temporal's CLI and return what it prints."""
    binary, _ = await asyncio.to_thread(find_server_binary)
    command = [str(binary), *args, "--address", server.address]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


async def test_a_workflow_without_a_worker(server: DevServer, lonely: str) -> None:
    described = await cli(server, "workflow", "describe", "--workflow-id", lonely)
    assert re.search(r"Pending Activities: 0\n", described)
    shown = await cli(server, "workflow", "show", "--workflow-id", lonely)
    assert shown.split()[-1] == "WorkflowTaskScheduled"
    queue = await cli(server, "task-queue", "describe", "--task-queue", lonely)
    assert len(queue.partition("Pollers:\n")[2].strip().splitlines()) == 1, "only the table's head"


async def test_a_query_without_a_worker(client: Client, lonely: str) -> None:
    with pytest.raises(RPCError) as timeout:
        await client.get_workflow_handle(lonely).query("any", rpc_timeout=timedelta(seconds=1))
    assert re.search(f"`(RPCError: )?{timeout.value}`", PROSE)


async def test_a_program_in_a_workflows_file(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "program_in_a_file.py"
    file.write_text(HELLO)
    monkeypatch.syspath_prepend(str(tmp_path))
    hello = importlib.import_module("program_in_a_file").Hello
    file.write_text(f"{HELLO}\nasyncio.run(None)\n")  # the sandbox loads the file again
    with pytest.raises(RuntimeError, match="Failed validating workflow Hello") as failure:
        Worker(client, task_queue="none", workflows=[hello], plugins=[StrandsPlugin()])
    assert f"`{failure.value.__cause__}`" in PROSE


async def test_an_unknown_model(agents: Agents) -> None:
    async with agents(workflows=[Asks], models={"other": lambda: ScriptedModel("Hi")}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(Asks.run, "Hi")
    said, _, code = str(failure.value.cause).partition(" [ST105")
    assert code
    said = said.replace("'model'", "'...'").replace("['other']", "[...]")
    assert f"`{said.removeprefix('ValueError: ')}`" in PROSE


async def test_a_deploy_that_changes_the_calls(agents: Agents) -> None:
    async with agents(workflows=[Asks], models={"model": lambda: ScriptedModel("Hi")}) as env:
        await env.run(Asks.run, "Hi")
        with pytest.raises(workflow.NondeterminismError) as error:
            await assert_replays(env.handles[0], [AsksAfterADeploy])
    [shown] = [text for text in blocks(PAGE, "text") if "TMPRL1100" in text]
    assert shown.strip() in str(error.value)


async def test_a_result_that_is_too_large(agents: Agents) -> None:
    async with agents(workflows=[ReturnsTooMuch]) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(ReturnsTooMuch.run, "Hi")
    assert f"{failure.value.cause}\n" in blocks(PAGE, "text")


def test_the_commands_in_sentences_exist() -> None:
    found = re.findall(r"`(temporal [^`]+)`", TEXT)
    assert found
    for command in found:
        check_command(shlex.split(command))
