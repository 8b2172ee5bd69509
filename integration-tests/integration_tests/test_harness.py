"""The harness agent with the other packages, the page about it, and its example, whose worker is killed."""

import asyncio
import contextlib
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from examples.coding_agent.client import changes
from examples.coding_agent.sandbox import FACTORY, LOG
from examples.coding_agent.script import COMMAND, scripted_coder
from examples.coding_agent.workflow import BOX, MODEL, TASK_QUEUE, CodingWorkflow
from temporalio.client import Client, WorkflowHandle

from integration_tests.docs_code import module_of
from integration_tests.readme_runs import SCRIPTED, assert_as_shown, example_running, shown_by_readme
from integration_tests.terminals import terminal
from strands_temporal import StrandsPlugin
from strands_temporal.testing import (
    DevServer,
    Reply,
    ScriptedCall,
    ScriptedModel,
    assert_replays,
    say,
    use_tool,
)

pytestmark = pytest.mark.server

COMMANDS = ["uname -s", "pwd", COMMAND, COMMAND, "python3 -m unittest -q *_test.py"]


async def at_work_after_the_edit(handle: "WorkflowHandle[Any, Any]") -> None:
    """Wait until the agent has edited its file, and the model thinks about what is next."""
    for _ in range(600):
        pending = (await handle.describe()).raw_description.pending_activities
        if any(activity.activity_type.name == "invoke_model" for activity in pending):
            history = (await handle.fetch_history()).to_json()
            if history.count("sandbox_write_file") and "EVENT_TYPE_ACTIVITY_TASK_COMPLETED" in history:
                return
        await asyncio.sleep(0.05)
    raise AssertionError("the agent edited nothing")


@pytest.mark.slow
async def test_a_coding_agent_outlives_its_worker(server: DevServer, client: Client, tmp_path: Path) -> None:
    variables = {
        "TEMPORAL_ADDRESS": server.address,
        "CODING_AGENT_DIRECTORY": str(tmp_path),
        **SCRIPTED,
    }
    id_ = f"coding-{uuid.uuid4()}"
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(terminal(variables, "examples.coding_agent.worker"))
        await first.until("Ctrl+C to exit.\n")
        handle = await client.start_workflow("CodingWorkflow", "Mend it.", id=id_, task_queue=TASK_QUEUE)
        await at_work_after_the_edit(handle)
        first.send(signal.SIGKILL)
        await first.exit_code()
        second = await stack.enter_async_context(terminal(variables, "examples.coding_agent.worker"))
        await second.until("Ctrl+C to exit.\n")
        said = await asyncio.wait_for(handle.result(), 60)
    assert said.endswith("Now it makes it smaller. The tests pass.")
    assert changes(tmp_path / id_)[-1].strip("+ ").startswith("return sum(prices) * (100 - discount)")
    assert (tmp_path / id_ / LOG).read_text().splitlines() == COMMANDS  # each ran once
    plugin = StrandsPlugin(models={MODEL: scripted_coder}, sandboxes={BOX: FACTORY})
    await assert_replays(handle, [CodingWorkflow], plugins=[plugin])


@pytest.mark.slow
async def test_the_example_shows_what_its_readme_shows(server: DevServer, tmp_path: Path) -> None:
    variables = {"TEMPORAL_ADDRESS": server.address, "CODING_AGENT_DIRECTORY": str(tmp_path)}
    async with example_running(variables, "coding_agent") as (_, client):
        assert_as_shown(await client.rest(), shown_by_readme("coding_agent").client)


async def test_the_agent_of_the_page_works_and_remembers(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = module_of("harness.md", "coding_agent", tmp_path, monkeypatch)
    monkeypatch.setattr(page.tempfile, "tempdir", str(tmp_path))

    def reply(call: ScriptedCall) -> Reply:
        if not call.tool_names:  # the extractor's call
            return say('[{"content": "The answer is 42"}]')
        if call.answers:
            return say(call.text)
        return use_tool("shell", {"command": "echo $((6 * 7))"})

    plugin = StrandsPlugin(
        models={"claude": lambda: ScriptedModel(reply, config={"context_window_limit": 200_000})},
        sandboxes={"box": page.directory_for},
        storages={"files": lambda: page.LocalFileStorage(str(tmp_path / "files"))},
    )
    async with agents(workflows=[page.CodingWorkflow], plugins=[plugin]) as env:
        assert (await env.run(page.CodingWorkflow.run, "compute")).strip() == "42"
    kept = [path.read_text() for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert any("The answer is 42" in text for text in kept), kept
