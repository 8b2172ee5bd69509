"""A command in a sandbox streams its output to the workflow's topic while it runs."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT
from strands import Agent
from strands.sandbox.not_a_sandbox_local_environment import NotASandboxLocalEnvironment
from strands.vended_tools import shell
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalSandbox
from strands_temporal_streaming import AgentEvent, AgentStream, SandboxOutput

pytestmark = pytest.mark.server


@workflow.defn
class Streaming:
    """An agent whose sandbox streams: to the agent's topic, or to its own beside a plain agent."""

    @workflow.init
    def __init__(self, kind: str) -> None:
        self.stream = WorkflowStream()
        if kind == "temporal":
            sandbox = TemporalSandbox("box")
            self.agent: Agent = TemporalAgent("m", streaming_topic="events", tools=[shell], sandbox=sandbox)
        else:
            sandbox = TemporalSandbox("box", streaming_topic="events")
            self.agent = Agent(TemporalModel("m"), tools=[shell], sandbox=sandbox, callback_handler=None)

    @workflow.run
    async def run(self, kind: str) -> str:
        return str(await self.agent.invoke_async("go"))


@pytest.mark.parametrize("kind", ["temporal", "plain"])
async def test_output_arrives_while_the_command_runs(agents: Agents, tmp_path: Path, kind: str) -> None:
    go_on = tmp_path / "go_on"
    command = f"echo one; echo bad >&2; until [ -e {go_on} ]; do sleep 0.05; done; echo two"
    model = ScriptedModel(use_tool("shell", {"command": command}, tool_use_id="s-1"), lambda c: say(c.text))
    plugin = StrandsPlugin(models={"m": lambda: model}, sandboxes={"box": NotASandboxLocalEnvironment})
    async with agents(workflows=[Streaming], plugins=[plugin]) as env:
        handle = await env.start(Streaming.run, kind)
        heard: list[SandboxOutput] = []

        async def read() -> list[AgentEvent]:
            events: list[AgentEvent] = []
            async for event in AgentStream(env.client, handle.id):
                events.append(event)
                if isinstance(event, SandboxOutput):
                    heard.append(event)
                    if {piece.stream for piece in heard} == {"stdout", "stderr"}:
                        go_on.touch()
            return events

        await asyncio.wait_for(read(), WAIT)
        said = await handle.result()
        await env.assert_replays(handle)
    assert "one\\ntwo" in said

    def texts(stream: str) -> str:
        return "".join(piece.text for piece in heard if piece.stream == stream)

    assert (texts("stdout"), texts("stderr")) == ("one\ntwo\n", "bad\n")
    about: Any = {(piece.sandbox, piece.tool, piece.tool_use_id, piece.attempt) for piece in heard}
    assert about == {("box", "shell", "s-1", 1)}
    assert len({piece.call for piece in heard}) == 1
