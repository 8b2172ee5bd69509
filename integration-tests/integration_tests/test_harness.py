"""The harness agent with the other packages, the page about it, and its example, whose worker is killed."""

import asyncio
import contextlib
import signal
import sys
import uuid
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from conftest import Agents
from examples.coding_agent.client import changes
from examples.coding_agent.sandbox import FACTORY, LOG
from examples.coding_agent.script import COMMAND, scripted_coder
from examples.coding_agent.workflow import BOX, MODEL, TASK_QUEUE, CodingWorkflow
from mcp import StdioServerParameters, stdio_client
from packages.core.tests.worker import mcp_server
from packages.core.tests.workflow.harness_scenes import BoxSandbox
from packages.streaming.tests.streaming_support import read_all
from strands.sandbox import ExecutionResult
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from strands.storage import LocalFileStorage
from strands.tools.mcp import MCPClient
from strands.vended_interventions.hitl import HumanInTheLoop
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.workflow_streams import WorkflowStream

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
from strands_temporal.workflow import durable_harness
from strands_temporal_hitl import Approvals, ApprovalsClient, HITLPlugin, PendingApproval
from strands_temporal_mcp import MCPPlugin, TemporalMCPClient
from strands_temporal_streaming import AgentStream, StreamHooks, StreamingPlugin, TextDelta

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
        assert '"output": "42\\n"' in await env.run(page.CodingWorkflow.run, "compute")
    kept = [path.read_text() for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert any("The answer is 42" in text for text in kept), kept


@pytest.mark.slow
async def test_namespaces_keep_the_memories_of_tenants_apart(
    agents: Agents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(call: ScriptedCall) -> Reply:
        if not call.tool_names:  # the extractor's call
            return say('[{"content": "Ada likes tea"}]' if "I like tea" in call.text else "[]")
        return say(f"{str(call.messages).count('Ada likes tea')} memories")

    page = module_of("harness.md", "tenants", tmp_path, monkeypatch)
    box, files = tmp_path / "box", tmp_path / "files"
    box.mkdir()
    plugin = StrandsPlugin(
        models={"claude": lambda: ScriptedModel(reply, config={"context_window_limit": 200_000})},
        sandboxes={"box": lambda: BoxSandbox(box)},
        storages={"files": lambda: LocalFileStorage(str(files))},
    )
    async with agents(workflows=[page.TenantWorkflow], plugins=[plugin]) as env:
        await env.run(page.TenantWorkflow.run, "ada", "I like tea")
        said = [await env.run(page.TenantWorkflow.run, name, "What of tea?") for name in ("ada", "bob")]
    assert said == ["1 memories\n", "0 memories\n"]
    kept = [path for path in files.rglob("*") if path.is_file() and "Ada likes tea" in path.read_text()]
    assert kept
    assert all("ada" in path.relative_to(files).parts for path in kept)


@workflow.defn
class HarnessWithServerWorkflow:
    """A harness agent with an MCP server, whose calls a person approves by `Approvals`."""

    def __init__(self) -> None:
        self.approvals = Approvals()

    @workflow.run
    async def run(self, prompt: str) -> list[str]:
        agent = durable_harness(
            "m",
            tools=[TemporalMCPClient("echo")],
            builtin_tools=["subagent"],
            builtin_plugins=[],
            background_tasks=False,
            interventions=HumanInTheLoop(allowed_tools=["subagent"]),
            callback_handler=None,
        )
        result = await self.approvals.run(agent, prompt)
        return [str(result).strip(), *(str(record.outcome) for record in self.approvals.records)]


async def test_a_server_and_approvals_with_the_harness(agents: Agents) -> None:
    def reply(call: ScriptedCall) -> Reply:
        if call.answers:
            return say(call.text)
        if "general-purpose subagent" in (call.system_prompt or ""):
            return use_tool("shout", {"text": "ahoy"})
        (offered,) = [spec for spec in call.tool_specs if spec["name"] == "subagent"]
        assert "echo" in str(cast("Any", offered)["inputSchema"]["json"]["properties"]["mcp_servers"])
        return use_tool("subagent", {"task": "shout", "mcp_servers": ["echo"]})

    parameters = StdioServerParameters(command=sys.executable, args=[mcp_server.__file__])
    connect: Any = partial(stdio_client, parameters)  # each major version of mcp has its own type
    model = ScriptedModel(reply, config={"context_window_limit": 200_000})
    plugins = [
        StrandsPlugin(models={"m": lambda: model}),
        MCPPlugin(mcp_clients={"echo": lambda: MCPClient(connect)}),
        HITLPlugin(),
    ]
    async with agents(workflows=[HarnessWithServerWorkflow], plugins=plugins) as env:
        handle = await env.start(HarnessWithServerWorkflow.run, "go")
        people = ApprovalsClient(env.client)
        pending: list[PendingApproval] = []
        for _ in range(200):
            if pending := await people.pending(handle.id):
                break
            await asyncio.sleep(0.05)
        assert "shout" in str(pending[0])  # of the sub-agent
        await people.approve(handle.id, pending[0].id, by="ada")
        assert await handle.result() == ["AHOY", "approved"]
        await env.assert_replays(handle)


@workflow.defn
class StreamingHarnessWorkflow:
    """A harness agent with a topic, whose sub-agent and whose summary of a page are no answers to anybody."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> str:
        agent = durable_harness(
            "m",
            sandbox="box",
            streaming_topic="events",
            builtin_tools=["subagent", "web_fetch"],
            builtin_plugins=[],
            background_tasks=False,
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )
        return str(await agent.invoke_async("go")).strip()


class PageSandbox(NotASandboxLocalEnvironment):
    """A sandbox in which each command fetches one page."""

    async def execute_streaming(self, command: str, **options: Any) -> AsyncGenerator[Any, None]:
        yield ExecutionResult(
            0, "" if "PSEdition" in command else "text/plain\nhttp://127.0.0.1:1/\naGk=", ""
        )


@pytest.mark.parametrize("helpers", [1, pytest.param(2, marks=pytest.mark.slow)])
# temporalio warns if a workflow ends while a reader polls. The reader reads the rest by query.
@pytest.mark.filterwarnings("ignore:.TMPRL1102:RuntimeWarning")
async def test_a_topic_has_what_the_agent_says_and_nothing_of_its_helpers(
    agents: Agents, helpers: int
) -> None:
    def reply(call: ScriptedCall) -> Reply:
        system = call.system_prompt or ""
        if system.startswith("You answer a request about a single fetched web page"):
            return say("the page's summary")
        if "general-purpose subagent" in system:
            return say("the sub-agent's words")
        if call.answers == 0:
            return use_tool("subagent", {"task": "speak"})
        if call.answers < helpers:
            return use_tool("web_fetch", {"url": "http://127.0.0.1:1/", "prompt": "What is it?"})
        return say("the answer")

    model = ScriptedModel(reply, config={"context_window_limit": 200_000})
    plugins = [
        StrandsPlugin(
            models={"m": lambda: model},
            sandboxes={"box": PageSandbox},
        ),
        StreamingPlugin(),
    ]
    async with agents(workflows=[StreamingHarnessWorkflow], plugins=plugins) as env:
        handle = await env.start(StreamingHarnessWorkflow.run)
        events = await read_all(AgentStream(env.client, handle.id))
        assert await handle.result() == "the answer"
        await env.assert_replays(handle)
    texts = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert texts == "the answer"
    assert len(model.calls) == 3 + 2 * (helpers - 1)
