"""A child workflow as a delegate: its answer ends the turn of the caller, as with `agent.as_tool()`."""

from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.child_scenes import (
    answers_to,
    bare,
    children_of,
    durable,
    erase,
    plain_erase,
    seen,
)
from pydantic import BaseModel
from strands import Agent
from strands.agent._agent_delegation import AgentDelegation
from temporalio import workflow

from strands_temporal import AgentTypeError, AgentValueError, TemporalAgent, TemporalModel
from strands_temporal._upstream.delegation import DelegateTool
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import SubAgentResult, SubAgentTask, activity_as_tool, child_workflow

pytestmark = pytest.mark.server


class Price(BaseModel):
    """A price."""

    amount: int


def desk(call: ScriptedCall) -> Reply:
    """The host passes its task on. A delegate that was not alone is called again, alone."""
    task = call.prompt
    if call.system_prompt == "host":
        if call.tool_results and "not executed" not in call.text:
            return say(f"the host goes on: {call.text}")
        name, number = ("pricer" if task == "price" else "clerk"), call.answers
        calls = [(name, {"input": task}, f"{name}-{number}-{one}") for one in range(2)]
        return use_tools(calls if task == "both" and not call.tool_results else calls[:1])
    if "Price" in call.tool_names:
        return use_tool("Price", {"amount": 5})
    if call.tool_results:
        return say(f"done: {call.text}")
    if task == "erase":
        return use_tool("erase", {"path": "a.txt"})
    return say("" if task == "nothing" else f"the clerk heard {task}")


def clerk(make: Any, eraser: Any, **arguments: Any) -> Agent:
    return make(name="clerk", system_prompt="clerk", tools=[eraser], **arguments)


def pricer(make: Any, **arguments: Any) -> Agent:
    return make(name="pricer", system_prompt="pricer", structured_output_model=Price, **arguments)


@workflow.defn(name="clerk")
class ClerkWorkflow:
    """Ask the clerk."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(clerk(durable, activity_as_tool(erase), carry=task.carry))


@workflow.defn(name="pricer")
class PricerWorkflow:
    """Ask for a price."""

    @workflow.run
    async def run(self, task: SubAgentTask) -> SubAgentResult:
        return await task.run(pricer(durable, carry=task.carry))


@workflow.defn
class HostWorkflow:
    """Answers turns until it is terminated."""

    def __init__(self) -> None:
        delegates = [child_workflow(one, delegate=True) for one in (ClerkWorkflow, PricerWorkflow)]
        self._agent = durable(name="host", system_prompt="host", tools=delegates)

    @workflow.update
    async def turn(self, prompt: str) -> Any:
        return seen(await self._agent.invoke_async(prompt))

    @workflow.update
    async def answer(self, answers: dict[str, Any]) -> Any:
        return seen(await self._agent.invoke_async(answers_to(self._agent, answers)))

    @workflow.query
    def messages(self) -> Any:
        return bare(self._agent)

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


async def test_it_ends_the_callers_turn_as_a_delegated_agent_does(agents: Agents) -> None:
    model, plain_model = ScriptedModel(desk), ScriptedModel(desk)

    def make(**arguments: Any) -> Agent:
        return Agent(plain_model, callback_handler=None, **arguments)

    plain = make(
        name="host",
        system_prompt="host",
        tools=[
            clerk(make, plain_erase).as_tool(description="Ask the clerk.", delegate=True),
            pricer(make).as_tool(description="Ask for a price.", delegate=True),
        ],
    )
    workflows = [HostWorkflow, ClerkWorkflow, PricerWorkflow]
    async with agents(workflows=workflows, activities=[erase], models={"m": lambda: model}) as env:
        handle = await env.start(HostWorkflow.run)
        for task, says in [
            ("hello", "the clerk heard hello"),
            ("price", '{"amount": 5}'),
            ("both", "the clerk heard both"),  # refused at first: a delegate must be alone
            ("nothing", "the host goes on: "),  # nothing to end the turn with
        ]:
            told = await handle.execute_update(HostWorkflow.turn, task)
            assert told == seen(await plain.invoke_async(task))
            assert told == ["end_turn", says.strip()]
        asked = await handle.execute_update(HostWorkflow.turn, "erase")
        assert asked == seen(await plain.invoke_async("erase")) == ["interrupt", [["erase a.txt", "a.txt"]]]
        answer = {"erase a.txt": "yes"}
        told = await handle.execute_update(HostWorkflow.answer, answer)
        assert told == seen(await plain.invoke_async(answers_to(plain, answer)))
        assert told == ["end_turn", "done: erased a.txt: yes"]
        assert await handle.query(HostWorkflow.messages) == bare(plain)
        children = await children_of(env.client, handle.id)
        assert len(children) == 6
        await env.assert_replays(handle)
        for child in children:
            await env.assert_replays(child)
        await handle.terminate()
    calls = [[one.system_prompt, len(one.messages), one.tool_specs] for one in model.calls]
    assert calls == [[one.system_prompt, len(one.messages), one.tool_specs] for one in plain_model.calls]


@workflow.defn
class Shop:
    """Order."""

    @workflow.run
    async def run(self, item: str) -> str:
        return item


def test_what_cannot_be_a_delegate_is_refused_when_it_is_made() -> None:
    with pytest.raises(AgentTypeError, match="delegate=True is for a workflow with a sub-agent"):
        child_workflow(Shop, delegate=True)
    delegate = child_workflow(ClerkWorkflow, delegate=True)
    with pytest.raises(AgentValueError, match="not supported with stateful models"):
        TemporalAgent(TemporalModel("m", stateful=True), tools=[delegate])


def test_strands_takes_the_tool_for_a_delegate() -> None:
    """Strands asks for its private class. If that changes, `_upstream/delegation.py` must too."""
    tool = child_workflow(ClerkWorkflow, delegate=True)
    agent = Agent(ScriptedModel("hello"), tools=[tool], callback_handler=None)
    assert isinstance(tool, DelegateTool)
    assert AgentDelegation.__module__ == "strands.agent._agent_delegation"
    module: Any = __import__(AgentDelegation.__module__, fromlist=["_is_delegation_tool"])
    assert module._is_delegation_tool(agent, "clerk") is True
    assert tool.get_display_properties()["Name"] == "clerk"
