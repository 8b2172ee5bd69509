"""Agents with an MCP server: parity with a plain agent, plain agents in a workflow, interrupts."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from conftest import Agents
from packages.mcp.tests.mcp_support import (
    failure,
    plugins,
    scheduled,
    text,
    tool_results,
    turn,
)
from packages.mcp.tests.servers.clients import server_here
from strands import tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from temporalio import workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal_mcp import TemporalMCPClient

with workflow.unsafe.imports_passed_through():
    from strands import Agent

pytestmark = pytest.mark.server


@tool
def first() -> str:
    """Come first."""
    return "first"


@tool
def last() -> str:
    """Come last."""
    return "last"


def build(agent_class: Any, model: Any, tools: Sequence[Any], record: list[Any]) -> Agent:
    agent = agent_class(model, tools=[first, *tools, last], callback_handler=None)

    def after(event: AfterToolCallEvent) -> None:
        record.append([event.tool_use["name"], event.result["status"], list(event.agent.tool_names)])

    agent.add_hook(after, AfterToolCallEvent)
    return agent


async def seen(agent: Agent, record: list[Any]) -> list[Any]:
    result = await agent.invoke_async("go")
    messages = [{"role": m["role"], "content": m["content"]} for m in agent.messages]
    return [messages, sorted(record), str(result), result.metrics.cycle_count]


@workflow.defn
class ParityWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        record: list[Any] = []
        return await seen(build(TemporalAgent, "scripted", [TemporalMCPClient("tests")], record), record)


def parity_script() -> ScriptedModel:
    return ScriptedModel(
        turn([("add", {"a": 2, "b": 3}), ("fail", {"message": "x"}), ("first", {})]),
        turn([("add", {"a": "x", "b": 3}), ("no_such_tool", {})]),
        lambda call: say(call.text),
    )


async def test_parity_with_a_plain_agent(agents: Agents) -> None:
    plain_model, model = parity_script(), parity_script()
    async with agents(workflows=[ParityWorkflow], plugins=plugins(model, tests=server_here)) as env:
        durable = await env.run(ParityWorkflow.run)
    record: list[Any] = []
    client = server_here()
    agent = await asyncio.to_thread(build, Agent, plain_model, [client], record)
    try:
        plain = await seen(agent, record)
    finally:
        await asyncio.to_thread(agent.cleanup)
    assert durable == plain
    assert [call.tool_specs for call in model.calls] == [call.tool_specs for call in plain_model.calls]


@workflow.defn
class InTheBackground:
    """`background_tasks=`: the model goes on while the server's tool runs, and gets the result later."""

    @workflow.run
    async def run(self) -> str:
        return await in_the_background(TemporalAgent, "scripted", TemporalMCPClient("tests"))


async def in_the_background(agent_class: Any, model: Any, tests: Any) -> str:
    agent = agent_class(
        model, tools=[first, tests, last], callback_handler=None, background_tasks={"always": ["add"]}
    )
    return str(await agent.invoke_async("go")).strip()


def background_script() -> ScriptedModel:
    def answer(call: ScriptedCall) -> Reply:
        if len(call.messages) == 1:
            return use_tool("add", {"a": 2, "b": 3})
        assert "dispatched" in str(call.messages[2])
        if len(call.messages) == 3:
            return say("meanwhile")
        assert "'5'" in str(call.messages[-1]) or '"5"' in str(call.messages[-1])
        return say("five")

    return ScriptedModel(answer)


async def test_a_tool_in_the_background(agents: Agents) -> None:
    plain_model, model = background_script(), background_script()
    async with agents(workflows=[InTheBackground], plugins=plugins(model, tests=server_here)) as env:
        durable = await env.run(InTheBackground.run)
        assert "tests-call-tool" in await scheduled(env)
    tests = server_here()
    try:
        plain = await in_the_background(Agent, plain_model, tests)
    finally:
        await asyncio.to_thread(tests.stop, None, None, None)
    assert durable == plain == "five"
    assert model.calls[0].tool_specs == plain_model.calls[0].tool_specs


@workflow.defn
class PlainAgent:
    @workflow.run
    async def run(self, way: str) -> list[Any]:
        tests = TemporalMCPClient("tests")
        given: dict[str, Any] = {
            "hooks": {"hooks": [tests]},
            "both": {"tools": [tests], "hooks": [tests]},
            "tools": {"tools": [tests]},
            "loaded": {"tools": [*await tests.load_tools()] if way == "loaded" else []},
        }[way]
        agent = Agent(TemporalModel("scripted"), callback_handler=None, retry_strategy=None, **given)
        await agent.invoke_async("go")
        return tool_results(agent)


@pytest.mark.sample(1)
@pytest.mark.parametrize("way", ["hooks", "both", "loaded"])
async def test_a_plain_agent_gets_the_tools(agents: Agents, way: str) -> None:
    model = ScriptedModel(use_tool("add", {"a": 2, "b": 3}), say("done"))
    async with agents(workflows=[PlainAgent], plugins=plugins(model, tests=server_here)) as env:
        (result,) = await env.run(PlainAgent.run, way)
    assert text(result) == "5"


async def test_a_plain_agent_that_cannot_get_the_tools_ends_the_workflow(agents: Agents) -> None:
    async with agents(
        workflows=[PlainAgent], plugins=plugins(ScriptedModel(say("never")), tests=server_here)
    ) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(PlainAgent.run, "tools")
    assert failure(error.value).type == "AgentValueError"
    assert "hooks=[...]" in failure(error.value).message


@workflow.defn
class Approved:
    """An interrupt before an MCP tool. The same agent resumes, or a new one, which begins with the calls."""

    @workflow.run
    async def run(self, cache_tools: bool | None, another: bool) -> list[Any]:
        agent = self.agent(cache_tools)
        result = await agent.invoke_async("go")
        assert result.stop_reason == "interrupt"
        answers: Any = [
            {"interruptResponse": {"interruptId": interrupt.id, "response": "yes"}}
            for interrupt in result.interrupts or ()
        ]
        if another:
            snapshot = Agent.take_snapshot(agent, preset="session")
            agent = self.agent(cache_tools)
            Agent.load_snapshot(agent, snapshot)
        await agent.invoke_async(answers)
        return tool_results(agent)

    def agent(self, cache_tools: bool | None) -> TemporalAgent:
        tests = TemporalMCPClient("tests", cache_tools=cache_tools)
        agent = TemporalAgent("scripted", tools=[tests], callback_handler=None)

        def approve(event: BeforeToolCallEvent) -> None:
            if event.interrupt("approval", reason=event.tool_use["name"]) != "yes":
                event.cancel_tool = "denied"

        agent.add_hook(approve, BeforeToolCallEvent)
        return agent


@pytest.mark.parametrize("cache_tools", [None, False])
@pytest.mark.parametrize("another", [False, True])
async def test_an_interrupt_before_a_tool(agents: Agents, cache_tools: bool | None, another: bool) -> None:
    model = ScriptedModel(use_tool("add", {"a": 2, "b": 3}), say("done"))
    async with agents(workflows=[Approved], plugins=plugins(model, tests=server_here)) as env:
        (result,) = await env.run(Approved.run, cache_tools, another)
    assert text(result) == "5"


FOREVER = TemporalMCPClient("tests")


@workflow.defn(sandboxed=False)
class KeptHandle:
    """A handle that is used by several runs: without the sandbox they share the object."""

    @workflow.run
    async def run(self) -> None:
        await TemporalAgent("scripted", tools=[FOREVER], callback_handler=None).invoke_async("go")


async def test_a_handle_that_outlives_a_run_lists_in_each(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say("done"))
    async with agents(workflows=[KeptHandle], plugins=plugins(model, tests=server_here)) as env:
        for _ in range(2):
            await env.run(KeptHandle.run)
            assert await scheduled(env) == ["tests-list-tools", "invoke_model"]
