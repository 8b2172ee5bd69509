"""Remote agents over the A2A protocol, from a workflow: Strands' own server, client and tool."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.team_scenes import graph, told
from strands import Agent
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, AgentValueError, StrandsPlugin, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import TemporalA2AAgent, TemporalTools

with workflow.unsafe.imports_passed_through():
    import uvicorn
    from strands.agent.a2a_agent import A2AAgent
    from strands.multiagent.a2a import A2AServer
    from strands.vended_tools import make_a2a_client

pytestmark = pytest.mark.server


@contextlib.asynccontextmanager
async def remote(model: ScriptedModel) -> AsyncGenerator[str]:
    """Serve a plain Strands agent over A2A, and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def make(context_id: str) -> Agent:
        return Agent(model, name="weather", description="Knows the weather.", callback_handler=None)

    app = A2AServer(agent_factory=make, port=port, enable_a2a_compliant_streaming=True).to_starlette_app()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    serving = asyncio.create_task(server.serve())
    try:
        for _ in range(500):
            if server.started:
                break
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await asyncio.wait_for(serving, 10)


def forecasts(call: ScriptedCall) -> Reply:
    return say(f"sunny, as to {call.text!r}")


def asks_remote(call: ScriptedCall) -> Reply:
    if "toolResult" in call.messages[-1]["content"][0]:
        (result,) = call.tool_results
        return say(f"{result['status']}: {str(result['content'][0]).strip()}")
    name = call.tool_names[0]
    if name == "a2a_client":
        return use_tool(name, {"operation": "send_message", "endpoint": ADDRESS[0], "message": "Lisbon?"})
    return use_tool(name, {"input": "Lisbon?"})


ADDRESS = [""]


@workflow.defn
class AsksRemote:
    @workflow.run
    async def run(self, how: str) -> Any:
        quick: Any = {
            "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=2)
        }
        handle = TemporalA2AAgent("weather", description="Knows the weather.", **quick)
        if how == "node":
            team = graph(durable, ("weather", "end"), nodes={"weather": handle})
            return told(await team.invoke_async("Lisbon?"))
        if how == "unknown":
            return str(await TemporalA2AAgent("wether").invoke_async("Lisbon?"))
        if how == "object":
            return str(await handle.invoke_async([{"text": object()}]))  # type: ignore[list-item]
        if how == "itself":
            return str(await handle.invoke_async("Lisbon?"))
        if how == "strands":
            return str(await A2AAgent("http://localhost:1").invoke_async("Lisbon?"))
        tool: Any = handle.as_tool() if how == "tool" else TemporalTools("a2a_client")
        agent = TemporalAgent("m", tools=[tool], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


def durable(name: str, **arguments: Any) -> TemporalAgent:
    return TemporalAgent("m", name=name, system_prompt=name, callback_handler=None, **arguments)


def plugin(address: str, model: ScriptedModel) -> StrandsPlugin:
    ADDRESS[0] = address
    return StrandsPlugin(
        models={"m": lambda: model},
        a2a_agents={"weather": lambda: A2AAgent(address)},
        tools={"a2a_client": lambda: make_a2a_client(allowed_endpoints=[address])},
    )


@pytest.mark.parametrize("how", ["itself", "tool", "client tool", "node"])
async def test_a_remote_agent_answers(agents: Agents, how: str) -> None:
    there = ScriptedModel(forecasts)
    here = ScriptedModel(asks_remote if how != "node" else (lambda call: say(f"so: {call.text}")))
    async with remote(there) as address:
        plain = str(await A2AAgent(address).invoke_async("Lisbon?"))
        async with agents(workflows=[AsksRemote], plugins=[plugin(address, here)]) as env:
            answer = await env.run(AsksRemote.run, how)
    assert len(there.calls) == 2  # the plain one's and the workflow's; a replay calls nobody
    assert "sunny, as to 'Lisbon?'" in plain
    if how == "itself":
        assert answer == plain
    elif how == "node":
        assert answer["status"] == "completed"
        assert answer["results"]["weather"] == plain
        assert "sunny" in answer["results"]["end"]
    else:
        assert answer.startswith("success: ")
        assert "sunny, as to" in answer


async def test_a_remote_agent_that_is_away_is_tried_again_and_ends_the_call(agents: Agents) -> None:
    here = ScriptedModel(asks_remote)
    async with agents(workflows=[AsksRemote], plugins=[plugin("http://127.0.0.1:9", here)]) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(AsksRemote.run, "itself")
        said = await env.run(AsksRemote.run, "tool")
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "A2AClientHTTPError"
    assert said.startswith("error: ")


@pytest.mark.parametrize(
    ("how", "type_", "words"),
    [
        ("unknown", "ValueError", "Did you mean 'weather'"),
        ("none", "ValueError", "Register it in StrandsPlugin(a2a_agents=...) on the worker. Known: []"),
        ("strands", "AgentTypeError", "Write TemporalA2AAgent"),
        ("object", "AgentTypeError", "the prompt cannot be sent"),
    ],
)
async def test_what_cannot_work_ends_the_run_and_says_what_to_write(
    agents: Agents, how: str, type_: str, words: str
) -> None:
    here = ScriptedModel(asks_remote)
    brought = StrandsPlugin() if how == "none" else plugin("http://127.0.0.1:9", here)
    async with agents(workflows=[AsksRemote], plugins=[brought]) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(AsksRemote.run, "unknown" if how == "none" else how)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == type_
    assert words in cause.message


def test_wrong_arguments_are_named() -> None:
    wrong: Any = A2AAgent
    with pytest.raises(AgentTypeError, match="is not a string"):
        TemporalA2AAgent(wrong)
    with pytest.raises(AgentValueError, match="name is empty"):
        TemporalA2AAgent("")
    with pytest.raises(AgentValueError, match="needs a description"):
        TemporalA2AAgent("weather").as_tool()
    with pytest.raises(TypeError, match="a2a_agents"):
        StrandsPlugin(a2a_agents={"weather": A2AAgent("http://localhost:1")})  # type: ignore[dict-item]
