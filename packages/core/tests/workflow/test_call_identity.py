"""One call, one key: a call is known by the message that asks for it, whatever id the server gave it."""

import asyncio
import copy
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from conftest import Agents
from strands import Agent, tool
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import AfterModelCallEvent, AfterToolCallEvent, BeforeToolCallEvent
from strands.middleware import InvokeModelContext, InvokeModelStage
from strands.multiagent import GraphBuilder, Swarm
from strands.types.events import ModelStopReason
from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowHandle

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.activity import ToolContext, tool_context
from strands_temporal.testing import (
    AgentEnvironment,
    Reply,
    ScriptedCall,
    ScriptedModel,
    say,
    use_tools,
)
from strands_temporal.workflow import TemporalTools

pytestmark = pytest.mark.server

keys: list[str] = []
"""Keys that the activities of a test saw, in order."""
shop_open = asyncio.Event()


@pytest.fixture(autouse=True)
def _forget() -> None:
    keys.clear()
    shop_open.clear()


@activity.defn
async def pay(amount: int, to: str) -> str:
    """Pay somebody."""
    keys.append(tool_context().idempotency_key)
    return f"paid {amount} to {to}"


@activity.defn
async def pay_if_agreed(amount: int, to: str, tool_context: ToolContext) -> str:
    """Pay somebody if a person agrees."""
    keys.append(tool_context.idempotency_key)
    return f"paid {amount} to {to}, said {tool_context.interrupt('agree')}"


@activity.defn
async def pay_when_open(amount: int, to: str) -> str:
    """Pay when the shop opens."""
    keys.append(tool_context().idempotency_key)
    await asyncio.wait_for(shop_open.wait(), 30)
    return f"paid {amount} to {to}"


ACTIVITIES = [pay, pay_if_agreed, pay_when_open]
BOB = {"amount": 5, "to": "bob"}
CALL = ("pay", BOB, "call_0")


def numbers_anew(*calls: Any) -> Callable[[ScriptedCall], Reply]:
    """Return a model that asks for these calls once in each turn, as a server does that counts from 0."""

    def answer(call: ScriptedCall) -> Reply:
        if "toolResult" in call.messages[-1]["content"][-1]:
            return say(call.text)
        if call.text == "open":
            return say("opened").when(open_the_shop)
        return use_tools(list(calls or [CALL]))

    return answer


async def open_the_shop() -> None:
    shop_open.set()


@tool(name="pay")
def hosted_pay(amount: int, to: str) -> str:
    """Pay somebody."""
    keys.append(tool_context().idempotency_key)
    return f"paid {amount} to {to}"


def agent_of(tools: Any = None, **options: Any) -> TemporalAgent:
    return TemporalAgent("m", tools=tools or [activity_as_tool(pay)], callback_handler=None, **options)


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
    for _ in range(4):  # three wait until the first has ended, and begin when all messages are there
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


@workflow.defn
class TurnsWorkflow:
    @workflow.run
    async def run(self, prompts: list[str]) -> list[str]:
        agent = agent_of()
        return [str(await agent.invoke_async(prompt)).strip() for prompt in prompts]


@pytest.mark.parametrize("ids", [("call_0", "call_1"), ("call_0", "call_0")])
async def test_two_equal_calls_in_one_message_have_a_key_each(agents: Agents, ids: tuple[str, str]) -> None:
    model = ScriptedModel(numbers_anew(*(("pay", BOB, id_) for id_ in ids)))
    async with agents(workflows=[TurnsWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        said = await env.run(TurnsWorkflow.run, ["go", "go"])
    assert said == ["paid 5 to bob\npaid 5 to bob"] * 2
    assert len(keys) == 4
    assert len(set(keys)) == 4


async def test_an_answer_of_middleware_does_not_pass_for_the_models(agents: Agents) -> None:
    """Middleware in the workflow answers from a cache: each time it is another call."""
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
            event.tool_use = {**event.tool_use}  # what a hook replaces is the same call

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


# --- Resets -------------------------------------------------------------------------------------------------


async def reset_to(env: AgentEnvironment, handle: WorkflowHandle[Any, Any], task: int) -> Any:
    """Reset the workflow to the workflow task that ended with event `task`; return its new result."""
    started = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    request = ResetWorkflowExecutionRequest(
        namespace=env.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=started.original_execution_run_id),
        reason="test",
        request_id=str(uuid.uuid4()),
        workflow_task_finish_event_id=task,
    )
    response = await env.client.workflow_service.reset_workflow_execution(request)
    new = env.client.get_workflow_handle(handle.id, run_id=response.run_id)
    result = await asyncio.wait_for(new.result(), 30)
    await env.assert_replays(new)
    return result


async def scheduling(handle: WorkflowHandle[Any, Any], activity_type: str, number: int = 0) -> int:
    """Return the event of the workflow task that scheduled the activity."""
    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in (await handle.fetch_history()).events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    fitting = [each for each in scheduled if each.activity_type.name == activity_type]
    return fitting[number].workflow_task_completed_event_id


@pytest.mark.parametrize("way", ["a TemporalAgent", "a plain agent"])
async def test_calls_asked_before_the_point_of_a_reset_keep_their_keys(agents: Agents, way: str) -> None:
    model = ScriptedModel(numbers_anew(CALL, CALL, ("pay", {"amount": 7, "to": "eve"}, "call_1")))
    async with agents(workflows=[ResetWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        handle = await env.start(ResetWorkflow.run, way == "a plain agent")
        assert await handle.result() == "paid 5 to bob\npaid 5 to bob\npaid 7 to eve"
        before = set(keys)
        keys.clear()
        # The second turn's: the first turn's are kept with their results.
        await reset_to(env, handle, await scheduling(handle, "pay", 3))
    assert len(before) == 6
    assert len(keys) == len(set(keys)) == 3
    assert set(keys) < before


@workflow.defn
class ResetWorkflow:
    @workflow.run
    async def run(self, plain: bool) -> str:
        agent = agent_of()
        if plain:
            agent = Agent(TemporalModel("m"), tools=[activity_as_tool(pay)], callback_handler=None)
        # Another agent's answers, between the model's answer and the calls it asks for.
        judge = TemporalAgent("m", name="judge", tools=[activity_as_tool(pay)], callback_handler=None)

        async def judged(event: AfterModelCallEvent) -> None:
            if not plain:
                await judge.invoke_async("open")

        agent.add_hook(judged, AfterModelCallEvent)
        await agent.invoke_async("go")
        return str(await agent.invoke_async("go")).strip()


async def test_calls_that_the_model_makes_anew_after_a_reset_have_new_keys(agents: Agents) -> None:
    model = ScriptedModel(numbers_anew())
    async with agents(workflows=[TurnsWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        handle = await env.start(TurnsWorkflow.run, ["go"])
        await handle.result()
        await reset_to(env, handle, await scheduling(handle, "invoke_model"))
    assert len(keys) == 2
    assert len(set(keys)) == 2


async def test_direct_calls_keep_their_keys_over_a_reset(agents: Agents) -> None:
    async with agents(workflows=[DirectWorkflow], activities=ACTIVITIES, models={"m": ScriptedModel}) as env:
        handle = await env.start(DirectWorkflow.run)
        await handle.result()
        before = list(keys)
        keys.clear()
        await reset_to(env, handle, await scheduling(handle, "pay"))
    assert len(set(before)) == 4  # two equal ones in each of two runs
    assert keys == before[2:]  # the last run was reset


@workflow.defn
class DirectWorkflow:
    @workflow.run
    async def run(self, again: bool = True) -> None:
        agent = agent_of()
        await agent.tool_async.pay(amount=5, to="bob")
        await agent.tool_async.pay(amount=5, to="bob")
        if again and not workflow.info().continued_run_id:
            workflow.continue_as_new(False)
