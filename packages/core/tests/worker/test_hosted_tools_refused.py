"""Hosted tools that are refused: those not found, and those that would do I/O in the workflow."""

from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.worker.hosted_scenes import ToolsWorkflow
from strands import ToolContext, tool
from strands.vended_tools import http_request, make_shell, shell
from temporalio import workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalTools

pytestmark = pytest.mark.server


async def test_a_list_too_large_for_temporal_is_made_once_and_ends_the_run(agents: Agents) -> None:
    @tool(description="x" * 3_000_000)
    def talkative() -> str:
        return "never"

    plugins = [
        StrandsPlugin(models={"m": lambda: ScriptedModel(say("never"))}, tools={"talkative": talkative})
    ]
    async with agents(workflows=[ToolsWorkflow], plugins=plugins) as env:
        handle = await env.start(ToolsWorkflow.run, ["talkative"])
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        history = await handle.fetch_history()
        await env.assert_replays(handle)
    cause: Any = failure.value.cause
    assert cause.type == "ResultTooLarge"
    assert "The list of tools ['talkative'] is too large for Temporal: 3,000," in cause.message
    assert "Name fewer in one TemporalTools" in cause.message
    started = [
        event.activity_task_started_event_attributes.attempt
        for event in history.events
        if event.HasField("activity_task_started_event_attributes")
    ]
    assert started == [1]


@workflow.defn
class NobodyHostsWorkflow:
    @workflow.run
    async def run(self) -> str:
        return str(await TemporalAgent("m", tools=[TemporalTools("shell")]).invoke_async("go"))


async def test_a_worker_without_tools_is_named(agents: Agents) -> None:
    models = {"m": lambda: ScriptedModel(say("no"))}
    async with agents(workflows=[NobodyHostsWorkflow], models=models) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(NobodyHostsWorkflow.run)
    cause: Any = failure.value.cause
    assert "No worker hosts tools for TemporalTools('shell')" in cause.message


@workflow.defn
class RefusedWorkflow:
    @workflow.run
    async def run(self, name: str) -> str:
        tools: dict[str, Any] = {"shell": shell, "http_request": http_request, "path": "./tools/some.py"}
        return TemporalAgent("m", tools=[tools[name]], callback_handler=None).name


@pytest.mark.parametrize("name", ["shell", "http_request", "path"])
async def test_a_tool_that_does_its_io_in_the_workflow_is_refused(agents: Agents, name: str) -> None:
    models = {"m": lambda: ScriptedModel(say("no"))}
    async with agents(workflows=[RefusedWorkflow], models=models) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(RefusedWorkflow.run, name)
    cause: Any = failure.value.cause
    assert cause.type == "AgentTypeError"
    assert ("would be read by the workflow" if name == "path" else "StrandsPlugin(tools=") in cause.message


@tool(context=True)
async def own_sandbox_tool(tool_context: ToolContext) -> str:
    """Read a file through the agent's sandbox."""
    return str(await tool_context.agent.sandbox.read_file("/etc/passwd"))


@workflow.defn
class SandboxWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=[own_sandbox_tool], callback_handler=None)
        return str(await agent.invoke_async("go"))


async def test_the_default_sandbox_is_not_the_machine(agents: Agents) -> None:
    model = ScriptedModel(use_tool("own_sandbox_tool", {}), lambda call: say(call.text))
    async with agents(workflows=[SandboxWorkflow], models={"m": lambda: model}) as env:
        result = await env.run(SandboxWorkflow.run)
    assert "A tool wants to read '/etc/passwd' from inside the workflow" in result
    assert "sandbox=TemporalSandbox('name')" in result


def test_bad_tools_are_named() -> None:
    models = {"m": lambda: ScriptedModel()}
    with pytest.raises(TypeError, match="'shell' is 3, neither a tool nor a factory"):
        StrandsPlugin(models=models, tools={"shell": 3})
    with pytest.raises(TypeError, match="is not a mapping"):
        StrandsPlugin(models=models, tools=[shell])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="a tool name is empty"):
        StrandsPlugin(models=models, tools={"": make_shell()})
    with pytest.raises(ValueError, match="no name"):
        TemporalTools()
    with pytest.raises(TypeError, match="is not a string"):
        TemporalTools(shell)  # pyright: ignore[reportArgumentType]
