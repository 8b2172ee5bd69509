"""Sub-agents that keep their conversation over continue-as-new."""

from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.carry_scenes import CarriedInput, HandsOver, delete_file, hand_over
from strands import Agent, tool
from strands import ToolContext as StrandsToolContext
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.vended_tools.subagent import make_subagent
from strands.vended_tools.swarm import make_swarm
from temporalio import workflow

from strands_temporal import AgentValueError, TemporalAgent
from strands_temporal._workflow.carry import pack
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


def as_a_chain(make: Any, tool: Any, clerk_keeps: bool) -> Agent:
    """Return a host with a sub-agent, whose sub-agent has the tool. The innermost one keeps its context."""
    archive = make(name="archive", system_prompt="archive", tools=[tool])
    clerk = make(name="clerk", system_prompt="clerk", tools=[archive.as_tool(preserve_context=True)])
    return make(system_prompt="host", tools=[clerk.as_tool(preserve_context=clerk_keeps)])


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

        self._keeps = input.updates
        self._agent: Any = as_a_chain(make, activity_as_tool(delete_file), input.updates["clerk keeps"])

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
        workflow.continue_as_new(CarriedInput(self._agent.carry(), self._keeps))


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


@pytest.mark.parametrize("keeps", [True, False], ids=["a clerk with memory", "a clerk without"])
async def test_sub_agents_that_remember_go_on_and_answer_what_they_asked(agents: Agents, keeps: bool) -> None:
    plain_model = ScriptedModel(in_a_chain)

    def make(**arguments: Any) -> Agent:
        return Agent(plain_model, callback_handler=None, **arguments)

    plain = as_a_chain(make, plain_delete_file, keeps)
    model = ScriptedModel(in_a_chain)
    async with agents(
        workflows=[ChainWorkflow], activities=[delete_file], models={"m": lambda: model}
    ) as env:
        handle = await env.start(ChainWorkflow.run, CarriedInput(updates={"clerk keeps": keeps}))
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


# --- Sub-agents that Strands keeps in memory only


def asks_below(call: ScriptedCall) -> Reply:
    """Let a sub-agent, or a swarm, ask."""
    if "subagent" in call.tool_names and call.text == "go":
        return use_tool("subagent", {"task": "x"})
    if "swarm" in call.tool_names and call.text == "go":
        return use_tool("swarm", {"task": "x", "agents": [{"name": "one", "instructions": "one"}]})
    return use_tool("delete_file", {"path": "x"}, tool_use_id=f"delete-{len(call.messages)}")


class AskFirst(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.ask)

    def ask(self, event: BeforeToolCallEvent[Any]) -> None:
        event.interrupt("first", reason=event.tool_use["name"])


@workflow.defn
class MemoryOnly:
    """Carries an agent whose tool holds a sub-agent that asks."""

    @workflow.run
    async def run(self, kind: str, first: bool) -> str:
        made = make_subagent() if kind == "subagent" else make_swarm()
        hooks: Any = [AskFirst()] if first else []
        agent = TemporalAgent("m", tools=[made, plain_delete_file], hooks=hooks, callback_handler=None)
        result = await agent.invoke_async("go")
        assert result.stop_reason == "interrupt"
        try:
            return type(agent.carry()).__name__
        except AgentValueError as error:
            return error.message


@pytest.mark.parametrize("kind", ["subagent", "swarm"])
async def test_a_question_that_only_this_run_can_answer_is_not_carried(agents: Agents, kind: str) -> None:
    model = ScriptedModel(asks_below, config={"context_window_limit": 100_000})
    async with agents(workflows=[MemoryOnly], models={"m": lambda: model}) as env:
        said = await env.run(MemoryOnly.run, kind, False)
        assert f"an agent of its tool {kind!r} waits for an answer" in said
        assert "child_workflow(...)" in said
        assert (
            await env.run(MemoryOnly.run, kind, True) == "AgentCarry"
        )  # a hook asked: there is no agent yet
