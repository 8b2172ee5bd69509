"""What cannot work with a sandbox is refused, with what to write."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.worker.sandbox_scenes import Directories, Operations, SandboxedAgent
from strands import Agent, ToolContext, tool
from strands.sandbox.docker import DockerSandbox
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from strands.sandbox.ssh import SshSandbox
from strands.vended_tools.shell import make_shell
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import (
    AgentTypeError,
    AgentValueError,
    SandboxFactory,
    StrandsPlugin,
    TemporalAgent,
    TemporalModel,
)
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalSandbox

HANDLE = r"TemporalSandbox\('name'\)"
ON_THE_WORKER = r"StrandsPlugin\(sandboxes=\{'name': lambda: "


@tool(context=True)
async def look(tool_context: ToolContext[Any]) -> str:
    """Look at the machine."""
    return (await tool_context.agent.sandbox.execute("hostname")).stdout


@workflow.defn
class Misplaced:
    """Builds an agent whose sandbox would be the machine of the worker that runs the workflow."""

    @workflow.run
    async def run(self, case: str) -> str:
        model = TemporalModel("m")
        bound = make_shell(sandbox=DockerSandbox("c"))
        if case == "direct":
            return (await DockerSandbox("c").execute("ls")).stdout
        agent: Agent = {
            "docker": lambda: TemporalAgent("m", sandbox=DockerSandbox("c")),
            "bound": lambda: TemporalAgent("m", tools=[bound]),
            "plain ssh": lambda: Agent(model, sandbox=SshSandbox("host", working_dir="/")),
            "plain bound": lambda: Agent(model, tools=[bound]),
            "plain default": lambda: Agent(model, tools=[look]),
            "bound handle": lambda: TemporalAgent("m", tools=[make_shell(sandbox=TemporalSandbox("box"))]),
        }[case]()
        return "was built" if case == "plain ssh" else str(await agent.invoke_async("go"))


async def failure(agents: Agents, workflow_class: Any, plugin: StrandsPlugin, *args: Any) -> ApplicationError:
    """Run a workflow that fails, and return its failure."""
    async with agents(workflows=[workflow_class], plugins=[plugin]) as env:
        with pytest.raises(WorkflowFailureError) as failed:
            await env.run(workflow_class.run, *args)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause


def repeat(call: ScriptedCall) -> Reply:
    """Say what the tool said."""
    return say(call.text)


def plugin(factory: Any = None, *steps: Any) -> StrandsPlugin:
    model = ScriptedModel(*(steps or [say("never")]))
    sandboxes = None if factory is None else {"box": factory}
    return StrandsPlugin(models={"m": lambda: model}, sandboxes=sandboxes)


@pytest.mark.server
@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("docker", rf"TemporalAgent\(sandbox=\.\.\.\): DockerSandbox would .* {HANDLE}"),
        ("bound", rf"TemporalAgent\(tools=\.\.\.\): shell: DockerSandbox would .* {HANDLE}"),
        ("plain ssh", rf"Agent\(sandbox=\.\.\.\): SshSandbox would .* {HANDLE}"),
        ("plain bound", rf"Agent\(tools=\.\.\.\): shell: DockerSandbox would .* {HANDLE}"),
        ("direct", rf"^DockerSandbox would run commands from inside the workflow.*{ON_THE_WORKER}"),
    ],
)
async def test_strands_own_sandboxes_end_the_run_with_the_handles_name(
    agents: Agents, case: str, text: str
) -> None:
    error = await failure(agents, Misplaced, plugin(), case)
    assert error.type == "AgentTypeError"
    assert re.search(text, error.message), error.message


@pytest.mark.server
@pytest.mark.parametrize("kind", ["temporal", "plain"])
async def test_a_vended_tool_without_a_sandbox_ends_the_run(agents: Agents, kind: str) -> None:
    error = await failure(agents, SandboxedAgent, plugin(), kind, ["shell"], None)
    assert error.type == "AgentTypeError"
    owner = "TemporalAgent" if kind == "temporal" else "Agent"
    assert error.message.startswith(f"{owner}(tools=...): Strands' shell needs a sandbox")
    assert "sandbox=TemporalSandbox('name')" in error.message


@pytest.mark.server
async def test_the_default_sandbox_of_a_plain_agent_refuses_and_a_bound_handle_works(agents: Agents) -> None:
    asks = plugin(None, use_tool("look", {}), repeat)
    async with agents(workflows=[Misplaced], plugins=[asks]) as env:
        said = await env.run(Misplaced.run, "plain default")
    assert "A tool wants to run 'hostname' from inside the workflow" in said
    assert "sandbox=TemporalSandbox('name')" in said
    uses = plugin(NotASandboxLocalEnvironment, use_tool("shell", {"command": "echo hi"}), repeat)
    async with agents(workflows=[Misplaced], plugins=[uses]) as env:
        assert '"output": "hi' in (await env.run(Misplaced.run, "bound handle")).replace("'", '"')


async def broken() -> Any:
    """A factory that fails."""
    raise RuntimeError("no room for another container")


@pytest.mark.server
async def test_a_name_or_a_factory_that_does_not_work_is_told(agents: Agents) -> None:
    plain = [["execute", {"command": "true"}]]
    for given, error, text in [
        ({"bix": NotASandboxLocalEnvironment}, "SandboxNotRegisteredError", "Did you mean 'bix'?"),
        ({"box": broken}, "ApplicationError", "RuntimeError: no room for another container"),
        ({"box": lambda: "a text"}, "ApplicationError", "it returned 'a text', not a strands.Sandbox"),
    ]:
        async with agents(workflows=[Operations], plugins=[StrandsPlugin(sandboxes=given)]) as env:
            (result,) = await env.run(Operations.run, plain)
        assert result["error"] == error
        assert text in result["text"]
    model = ScriptedModel(use_tool("shell", {"command": "ls"}), say("never"))
    without = StrandsPlugin(models={"m": lambda: model})
    told = await failure(agents, SandboxedAgent, without, "temporal", ["shell"])
    assert told.type == "SandboxNotRegisteredError"
    assert "Unknown sandbox 'box'. Register it in StrandsPlugin(sandboxes=...) on the worker" in told.message


def test_bad_arguments_are_named_where_they_are_given(tmp_path: Path) -> None:
    three: Any = 3
    unknown: Any = {"retry": 3}
    for make, error, text in [
        (lambda: TemporalSandbox(three), AgentTypeError, "the name 3 is not a string"),
        (lambda: TemporalSandbox(""), AgentValueError, "the name is empty"),
        (lambda: TemporalSandbox("b", rerun_commands=three), AgentTypeError, "is not a bool"),
        (lambda: TemporalSandbox("b", streaming_topic=""), AgentValueError, r"^TemporalSandbox\('b'\): str"),
        (lambda: TemporalSandbox("b", **unknown), AgentTypeError, "unknown option 'retry'"),
        (lambda: SandboxFactory(three), TypeError, "3 cannot be called"),
        (lambda: SandboxFactory(broken, idle_timeout=timedelta(0)), ValueError, "is not positive"),
        (lambda: SandboxFactory(broken, idle_timeout=three), TypeError, "is not a timedelta"),
        (lambda: SandboxFactory(broken, identity=""), ValueError, "identity is empty"),
        (
            lambda: plugin(DockerSandbox("c")),
            TypeError,
            "the factory of sandbox 'box' is .* cannot be called",
        ),
    ]:
        with pytest.raises(error, match=text):
            make()
    assert SandboxFactory(Directories(tmp_path)).per_chain
    assert not SandboxFactory(NotASandboxLocalEnvironment).per_chain


async def test_a_handle_outside_of_a_workflow_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"inside a Temporal workflow only; outside, use the sandbox"):
        await TemporalSandbox("box").execute("ls")
    with pytest.raises(RuntimeError, match=r"inside a Temporal workflow only"):
        await TemporalSandbox("box").read_file("x")
