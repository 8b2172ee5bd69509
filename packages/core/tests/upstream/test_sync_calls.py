"""Strands' synchronous calls in a workflow: run at once, awaited, or refused."""

import re
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, tool
from strands.hooks import (
    AfterToolCallEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
    MultiAgentInitializedEvent,
)
from strands.multiagent import GraphBuilder
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
async def subtract(a: int, b: int) -> int:
    """Subtract."""
    return a - b


@activity.defn
async def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@tool
def multiply_here(a: int, b: int) -> int:
    """Multiply."""
    return a * b


def shown(messages: Any) -> Any:
    """Return messages without the parts that differ from run to run."""
    text = repr([(message["role"], message["content"]) for message in messages])
    return re.sub(r"tooluse_(\w+?)_\d+", r"tooluse_\1", text)


def direct_calls(agent: Agent, seen: list[str]) -> list[str]:
    """The direct calls that both kinds of agents make."""
    agent.add_hook(lambda event: seen.append(f"before {event.tool_use['name']}"), BeforeToolCallEvent)
    agent.add_hook(lambda event: seen.append(f"after {event.result['status']}"), AfterToolCallEvent)
    results = [
        agent.tool.add(a=1, b=2),
        agent.tool.subtract(a=1, b=2, record_direct_tool_call=False),
        agent.tool.add(a="one", b=2),
    ]
    return [result["content"][0]["text"] for result in results]


@workflow.defn
class DirectWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        seen: list[str] = []
        agent = TemporalAgent("m", tools=[add, subtract], callback_handler=None)
        results = direct_calls(agent, seen)
        await agent.invoke_async("go")
        return [results, seen, shown(agent.messages)]


async def test_direct_tool_calls_of_local_tools_are_those_of_a_plain_agent(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say(f"{len(call.messages)} messages"))
    async with agents(workflows=[DirectWorkflow], models={"m": lambda: model}) as env:
        results, seen, messages = await env.run(DirectWorkflow.run)
    plain_seen: list[str] = []
    plain = Agent(model, tools=[add, subtract], callback_handler=None)
    assert results == direct_calls(plain, plain_seen)
    assert results[:2] == ["3", "-1"]
    assert "Validation failed" in results[2]
    await plain.invoke_async("go")
    assert (seen, messages) == (plain_seen, shown(plain.messages))


@workflow.defn
class AwaitedWorkflow:
    @workflow.run
    async def run(self, way: str) -> list[Any]:
        agent = TemporalAgent("m", tools=[activity_as_tool(multiply), add], callback_handler=None)
        if way == "sync":
            return [agent.tool.multiply(a=6, b=7)]
        if way == "unknown":
            return [await agent.tool_async.divide(a=6, b=7)]
        results = [
            await agent.tool_async.multiply(a=6, b=7),
            await agent.tool_async.add(a=6, b=7, record_direct_tool_call=False),
            await agent.tool_async.multiply(a=6, b="seven", user_message_override="do it"),
        ]
        return [[result["content"][0].get("text") for result in results], shown(agent.messages)]


async def test_the_awaitable_twin_calls_activities_and_records_as_strands_does(agents: Agents) -> None:
    model = ScriptedModel(say("unused"))
    async with agents(workflows=[AwaitedWorkflow], activities=[multiply], models={"m": lambda: model}) as env:
        results, messages = await env.run(AwaitedWorkflow.run, "async")
        with pytest.raises(WorkflowFailureError) as refused:
            await env.run(AwaitedWorkflow.run, "sync")
        with pytest.raises(WorkflowFailureError) as unknown:
            await env.run(AwaitedWorkflow.run, "unknown")
    assert results[:2] == ["42", "13"]
    plain = Agent(model, tools=[multiply_here, add], callback_handler=None)
    plain.tool.multiply_here(a=6, b=7)
    plain.tool.multiply_here(a=6, b="seven", user_message_override="do it")
    assert messages == re.sub("(?i)(m)ultiply_here", r"\1ultiply", shown(plain.messages))
    cause: Any = refused.value.cause
    assert cause.type == "SynchronousCallError"
    assert "cannot wait for the activity 'multiply'" in cause.message
    assert "await agent.tool_async.name(...)" in cause.message
    cause = unknown.value.cause
    assert (cause.type, cause.message) == ("AttributeError", "Tool 'divide' not found")


@workflow.defn
class PlainCallWorkflow:
    @workflow.run
    async def run(self) -> str:
        return str(Agent(TemporalModel("m"), callback_handler=None)("go"))


async def test_a_plain_agent_called_synchronously_ends_the_run_and_says_how(agents: Agents) -> None:
    model = ScriptedModel(say("unused"))
    async with agents(workflows=[PlainCallWorkflow], models={"m": lambda: model}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(PlainCallWorkflow.run)
    cause: Any = failure.value.cause
    assert cause.type == "SynchronousCallError"
    assert "await agent.invoke_async(...)" in cause.message
    assert not model.calls


class Sees(HookProvider):
    """Records that a graph was built."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(MultiAgentInitializedEvent, self._see)

    async def _see(self, event: MultiAgentInitializedEvent) -> None:
        self.built.append(type(event.source).__name__)


@workflow.defn
class GraphWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        sees = Sees()
        builder = GraphBuilder()
        builder.add_node(TemporalAgent("m", name="a", callback_handler=None), "a")
        builder.set_hook_providers([sees])
        builder.set_max_node_executions(3)
        graph = builder.build()
        result = await graph.invoke_async("go")
        return [sees.built, result.status.value]


async def test_the_hooks_of_a_graph_run_while_it_is_built(agents: Agents) -> None:
    model = ScriptedModel(say("done"))
    async with agents(workflows=[GraphWorkflow], models={"m": lambda: model}) as env:
        assert await env.run(GraphWorkflow.run) == [["Graph"], "completed"]
