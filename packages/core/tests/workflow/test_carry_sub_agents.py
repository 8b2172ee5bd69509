"""Sub-agents that keep their conversation over continue-as-new."""

from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.carry_scenes import CarriedInput, HandsOver, delete_file, hand_over
from strands import Agent, tool
from strands import ToolContext as StrandsToolContext
from temporalio import workflow

from strands_temporal import AgentValueError, TemporalAgent
from strands_temporal._workflow.carry import pack
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


def as_a_chain(make: Any, tool: Any) -> Agent:
    """Return a host with a sub-agent, whose sub-agent has the tool. Both sub-agents keep their context."""
    archive = make(name="archive", system_prompt="archive", tools=[tool])
    clerk = make(name="clerk", system_prompt="clerk", tools=[archive.as_tool(preserve_context=True)])
    return make(system_prompt="host", tools=[clerk.as_tool(preserve_context=True)])


def in_a_chain(call: ScriptedCall) -> Reply:
    """Pass the request down the chain, and report the result back up."""
    if "toolResult" in call.messages[-1]["content"][0]:
        return say(f"{call.system_prompt}({len(call.messages)}) {call.text}".replace("\n", ""))
    below = {"host": "clerk", "clerk": "archive"}.get(str(call.system_prompt))
    if below:
        return use_tool(below, {"input": call.text}, tool_use_id=f"{below}-{len(call.messages)}")
    if call.text == "delete it":
        return use_tool("delete_file", {"path": "x"}, tool_use_id="delete")
    return say(f"archive({len(call.messages)}) read {call.text}")


@workflow.defn
class ChainWorkflow(HandsOver):
    @workflow.init
    def __init__(self, input: CarriedInput) -> None:
        made: list[TemporalAgent] = []

        def make(**arguments: Any) -> TemporalAgent:
            outermost = arguments["system_prompt"] == "host"
            carry = input.carry if outermost else None
            made.append(TemporalAgent("m", callback_handler=None, carry=carry, **arguments))
            return made[-1]

        self._agent: Any = as_a_chain(make, activity_as_tool(delete_file))

    @workflow.update
    async def turn(self, prompt: str) -> str:
        return str(await self._agent.invoke_async(prompt)).strip()

    @workflow.update
    async def answer(self, ids: list[str]) -> str:
        answers = [{"interruptResponse": {"interruptId": i, "response": "yes"}} for i in ids]
        return str(await self._agent.invoke_async(answers)).strip()

    @workflow.update
    async def ask(self, prompt: str) -> list[str]:
        result = await self._agent.invoke_async(prompt)
        return [interrupt.id for interrupt in result.interrupts or ()]

    @workflow.run
    async def run(self, input: CarriedInput) -> None:
        await self.until_handed_over()
        workflow.continue_as_new(CarriedInput(self._agent.carry()))


def test_an_agent_that_is_its_own_sub_agent_is_not_carried() -> None:
    inner = Agent(ScriptedModel("hi"), name="inner")
    outer = Agent(ScriptedModel("hi"), name="outer", tools=[inner.as_tool(preserve_context=True)])
    inner.tool_registry.process_tools([outer.as_tool(preserve_context=True)])
    with pytest.raises(AgentValueError, match="its own sub-agent \\('outer' -> 'inner' -> 'outer'\\)"):
        pack(outer)


@tool(name="delete_file", context=True)
async def plain_delete_file(path: str, tool_context: StrandsToolContext) -> str:
    """Delete a file, if a person agrees."""
    return f"deleted {path}: {tool_context.interrupt('approval', reason=path)}"


async def test_sub_agents_that_remember_go_on_and_answer_what_they_asked(agents: Agents) -> None:
    plain_model = ScriptedModel(in_a_chain)

    def make(**arguments: Any) -> Agent:
        return Agent(plain_model, callback_handler=None, **arguments)

    plain = as_a_chain(make, plain_delete_file)
    model = ScriptedModel(in_a_chain)
    async with agents(
        workflows=[ChainWorkflow], activities=[delete_file], models={"m": lambda: model}
    ) as env:
        handle = await env.start(ChainWorkflow.run, CarriedInput())
        chat: Any = env.client.get_workflow_handle(handle.id)
        assert (
            await chat.execute_update(ChainWorkflow.turn, "one")
            == str(await plain.invoke_async("one")).strip()
        )
        await hand_over(chat)
        asked = await chat.execute_update(
            ChainWorkflow.ask, "delete it"
        )  # asked in one run, and answered in the next
        paused = await plain.invoke_async("delete it")
        assert asked == [interrupt.id for interrupt in paused.interrupts or ()]
        await hand_over(chat)
        answers: Any = [{"interruptResponse": {"interruptId": i, "response": "yes"}} for i in asked]
        answered = await chat.execute_update(ChainWorkflow.answer, asked)
        assert answered == str(await plain.invoke_async(answers)).strip()
        assert "archive(5) deleted x: yes" in answered
        assert (
            await chat.execute_update(ChainWorkflow.turn, "two")
            == str(await plain.invoke_async("two")).strip()
        )
        await env.assert_replays(handle)
        await env.assert_replays(chat)
        await chat.terminate()
    assert len(model.calls) == len(plain_model.calls)
