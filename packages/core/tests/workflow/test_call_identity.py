"""Each call has one key: the message that asks for it identifies it, whatever id the model's server gave."""

import asyncio
import copy
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.call_identity_scenes import (
    ACTIVITIES,
    BOB,
    TurnsWorkflow,
    agent_of,
    numbers_anew,
    pay,
    pay_if_agreed,
    pay_when_open,
)
from packages.core.tests.workflow.call_identity_scenes import forget_payments as forget_payments
from packages.core.tests.workflow.key_scenes import keys
from strands import Agent, tool
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent
from strands.middleware import InvokeModelContext, InvokeModelStage
from strands.multiagent import GraphBuilder, Swarm
from strands.types.events import ModelStopReason
from temporalio import workflow

from strands_temporal import AgentCarry, StrandsPlugin, TemporalModel
from strands_temporal.activity import tool_context
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import TemporalTools, activity_as_tool

pytestmark = pytest.mark.server


@tool(name="pay")
def hosted_pay(amount: int, to: str) -> str:
    """Pay somebody."""
    keys.append(tool_context().idempotency_key)
    return f"paid {amount} to {to}"


# --- Another key for each call ------------------------------------------------------------------------------


async def with_a_window() -> None:
    agent = agent_of(conversation_manager=SlidingWindowConversationManager(window_size=3))
    for _ in range(4):
        await agent.invoke_async("go")


async def with_a_cleared_conversation() -> None:
    agent = agent_of()
    for _ in range(4):
        await agent.invoke_async("go")
        agent.messages.clear()


async def with_a_fresh_agent_per_turn() -> None:
    for _ in range(4):
        await agent_of().invoke_async("go")


async def with_a_plain_agent() -> None:
    agent = Agent(TemporalModel("m"), tools=[activity_as_tool(pay)], callback_handler=None)
    for _ in range(4):
        await agent.invoke_async("go")
        agent.messages.clear()


async def with_a_sub_agent() -> None:
    clerk = agent_of(name="clerk").as_tool(name="pay", description="Pays.")
    head = agent_of([clerk])
    for _ in range(4):
        await head.invoke_async("go")


async def with_a_graph() -> None:
    builder = GraphBuilder()
    for name in "abcd":
        builder.add_node(agent_of(name=name), name)
    await builder.set_max_node_executions(9).build().invoke_async("go")


async def with_a_swarm() -> None:
    for _ in range(4):
        await Swarm([agent_of(name="a")]).invoke_async("go")


async def with_hosted_tools() -> None:
    agent = agent_of([TemporalTools("pay")])
    for _ in range(4):
        await agent.invoke_async("go")
        agent.messages.clear()


async def with_background_tasks() -> None:
    paid: list[str] = []

    def count(event: AfterToolCallEvent) -> None:
        paid.append(event.tool_use["toolUseId"])

    config: Any = {"always": ["pay"], "max_concurrency": 1, "wait_for_completion": False}
    agent = agent_of([activity_as_tool(pay_when_open, name="pay")], background_tasks=config)
    agent.add_hook(count, AfterToolCallEvent)
    for _ in range(4):  # three wait until the first ends; when they begin, all messages are there
        await agent.invoke_async("go")
    await agent.invoke_async("open")
    await workflow.wait_condition(lambda: len(paid) == 4)


WAYS: dict[str, Callable[[], Any]] = {
    "a sliding window": with_a_window,
    "a cleared conversation": with_a_cleared_conversation,
    "a fresh agent per turn": with_a_fresh_agent_per_turn,
    "a plain agent": with_a_plain_agent,
    "a sub-agent called again": with_a_sub_agent,
    "the nodes of a graph": with_a_graph,
    "swarms": with_a_swarm,
    "hosted tools": with_hosted_tools,
    "background tasks": with_background_tasks,
}


@workflow.defn
class WaysWorkflow:
    @workflow.run
    async def run(self, way: str) -> None:
        await WAYS[way]()


@pytest.mark.parametrize("way", list(WAYS))
async def test_equal_calls_of_one_id_have_a_key_each(agents: Agents, way: str) -> None:
    model = ScriptedModel(numbers_anew())
    plugin = StrandsPlugin(models={"m": lambda: model}, tools={"pay": lambda: hosted_pay})
    async with agents(workflows=[WaysWorkflow], activities=ACTIVITIES, plugins=[plugin]) as env:
        await env.run(WaysWorkflow.run, way)
    assert len(keys) == 4
    assert len(set(keys)) == 4


@pytest.mark.parametrize("ids", [("call_0", "call_1"), ("call_0", "call_0")])
async def test_two_equal_calls_in_one_message_have_a_key_each(agents: Agents, ids: tuple[str, str]) -> None:
    model = ScriptedModel(numbers_anew(*(("pay", BOB, id_) for id_ in ids)))
    async with agents(workflows=[TurnsWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        said = await env.run(TurnsWorkflow.run, ["go", "go"])
    assert said == ["paid 5 to bob\npaid 5 to bob"] * 2
    assert len(keys) == 4
    assert len(set(keys)) == 4


async def test_an_answer_of_middleware_does_not_pass_for_the_models(agents: Agents) -> None:
    """Middleware in the workflow answers from a cache. Each such answer asks for a new call."""
    model = ScriptedModel(numbers_anew())
    async with agents(workflows=[CachedWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        await env.run(CachedWorkflow.run)
    assert len(keys) == 3
    assert len(set(keys)) == 3


@workflow.defn
class CachedWorkflow:
    @workflow.run
    async def run(self) -> None:
        agent = agent_of()
        cached: list[Any] = []

        async def cache(context: InvokeModelContext, next_fn: Any) -> AsyncGenerator[Any, None]:
            if cached and context.messages[-1]["content"][-1] == {"text": "go"}:
                kept = cached[0]
                yield ModelStopReason(
                    kept.stop_reason, copy.deepcopy(kept.message), kept["stop"][2], kept["stop"][3]
                )
                return
            async for event in next_fn(context):
                if isinstance(event, ModelStopReason):
                    cached.append(copy.deepcopy(event))
                yield event

        agent.add_middleware(InvokeModelStage, cache)
        for _ in range(3):
            await agent.invoke_async("go")
            agent.messages.clear()


# --- The same key for the same call -------------------------------------------------------------------------


async def test_the_same_where_a_hook_has_a_call_made_again(agents: Agents) -> None:
    model = ScriptedModel(numbers_anew())
    async with agents(workflows=[AgainWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        assert await env.run(AgainWorkflow.run) == "paid 5 to bob"
    assert len(keys) == 2
    assert len(set(keys)) == 1


@workflow.defn
class AgainWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = agent_of()
        calls: list[str] = []

        def again_once(event: AfterToolCallEvent) -> None:
            calls.append(event.tool_use["name"])
            event.retry = len(calls) == 1

        def other_id(event: BeforeToolCallEvent) -> None:
            event.tool_use = {**event.tool_use}  # a call that a hook replaces stays the same call

        agent.add_hook(again_once, AfterToolCallEvent)
        agent.add_hook(other_id, BeforeToolCallEvent)
        return str(await agent.invoke_async("go")).strip()


@workflow.defn
class AgreedWorkflow:
    """Asks twice, with one id, and forgets the conversation while it waits."""

    @workflow.run
    async def run(self, forget: bool, carry: AgentCarry | None = None) -> list[str]:
        agent = agent_of([activity_as_tool(pay_if_agreed, name="pay")], carry=carry)
        if carry is None:
            await self.turn(agent, forget)
            result = await agent.invoke_async("go")
            assert result.stop_reason == "interrupt"
            workflow.continue_as_new(args=[forget, agent.carry()])
        return [str(await agent.invoke_async(answers(agent))).strip()]

    async def turn(self, agent: Agent, forget: bool) -> None:
        result = await agent.invoke_async("go")
        assert result.stop_reason == "interrupt"
        if forget:
            agent.messages.clear()
        await agent.invoke_async(answers(agent))


def answers(agent: Agent) -> Any:
    asked = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]["interrupts"]
    return [{"interruptResponse": {"interruptId": id_, "response": "yes"}} for id_ in asked]


@pytest.mark.parametrize("forget", [False, True])
async def test_the_same_over_a_resume_and_continue_as_new(agents: Agents, forget: bool) -> None:
    model = ScriptedModel(numbers_anew())
    async with agents(workflows=[AgreedWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        handle = await env.start(AgreedWorkflow.run, forget, None)
        assert await asyncio.wait_for(handle.result(), 30) == ["paid 5 to bob, said yes"]
        await env.assert_replays(env.client.get_workflow_handle(handle.id))
    first, again, second, carried = keys
    assert first == again
    assert second == carried
    assert first != second
