"""The idempotency key of a tool call: a repeated call has the same key, a new call has a new one."""

import asyncio
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.key_scenes import forget_keys as forget_keys
from packages.core.tests.workflow.key_scenes import keys, reset_to, scheduling
from strands import Agent, tool
from strands.types.tools import ToolUse
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext, tool_context
from strands_temporal.testing import (
    AgentEnvironment,
    Reply,
    ScriptedCall,
    ScriptedModel,
    Step,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")


@activity.defn
async def pay(amount: int, to: str = "shop") -> str:
    """Pay once."""
    keys.append(tool_context().idempotency_key)
    return "paid"


@activity.defn
async def pay_at_last(amount: int) -> str:
    """Pay, at the third attempt."""
    context = tool_context()
    keys.append(context.idempotency_key)
    assert context.attempt == activity.info().attempt
    if context.attempt < 3:
        raise RuntimeError("try again")
    return f"paid at attempt {context.attempt}"


@activity.defn
async def pay_if_agreed(amount: int, tool_context: ToolContext) -> str:
    """Pay when a person agrees."""
    keys.append(tool_context.idempotency_key)
    return f"paid, said {tool_context.interrupt('agree')}"


@workflow.defn
class PayWorkflow:
    @workflow.run
    async def run(self, prompts: list[str]) -> str:
        tools = [activity_as_tool(pay), activity_as_tool(pay_at_last)]
        agent = TemporalAgent("m", tools=tools, callback_handler=None)
        answer = ""
        for prompt in prompts:
            answer = str(await agent.invoke_async(prompt)).strip()
        return answer


ACTIVITIES = [pay, pay_at_last, pay_if_agreed]


async def paid(agents: Agents, *steps: Step, prompts: int = 1, **options: Any) -> ScriptedModel:
    """Run the script and return its model. Afterwards `keys` has the keys."""
    model = ScriptedModel(*steps)
    async with agents(
        workflows=[PayWorkflow], activities=ACTIVITIES, models={"m": lambda: model}, **options
    ) as env:
        await env.run(PayWorkflow.run, ["go"] * prompts)
    return model


async def test_the_same_over_an_activitys_retries(agents: Agents) -> None:
    model = await paid(agents, use_tool("pay_at_last", {"amount": 1}), echo)
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    assert "paid at attempt 3" in model.calls[-1].text


async def test_different_for_another_id_other_arguments_another_tool_and_another_workflow(
    agents: Agents,
) -> None:
    calls = [
        ("pay", {"amount": 1}, "a"),
        ("pay", {"amount": 1}, "b"),
        ("pay", {"amount": 1, "to": "bank"}, "c"),
    ]
    await paid(agents, use_tools(calls), echo)
    await paid(agents, use_tools(calls), echo)
    assert len(set(keys)) == len(keys) == 6


async def test_different_where_a_server_numbers_the_calls_of_each_answer_anew(agents: Agents) -> None:
    twice = use_tool("pay", {"amount": 1}, tool_use_id="call_0")
    await paid(agents, twice, echo, twice, echo, prompts=2)
    assert len(set(keys)) == len(keys) == 2


@workflow.defn
class DirectWorkflow:
    @workflow.run
    async def run(self, uses: list[ToolUse]) -> list[str]:
        tools = {"pay": activity_as_tool(pay), "other": activity_as_tool(pay, name="other")}
        agent = TemporalAgent("m", tools=list(tools.values()), callback_handler=None)
        return [await called(tools[use["name"]], agent, use) for use in uses]


async def called(tool: Any, agent: Agent, use: ToolUse) -> str:
    events = [event async for event in tool.stream(use, {"agent": agent})]
    return events[-1].tool_result["content"][0]["text"]


async def keys_of(agents: Agents, *uses: ToolUse) -> list[str]:
    """Return the keys of direct calls in one workflow."""
    async with agents(workflows=[DirectWorkflow], activities=ACTIVITIES, models={"m": ScriptedModel}) as env:
        assert await env.run(DirectWorkflow.run, list(uses)) == ["paid"] * len(uses)
    return keys


def use(use_id: str, amount: Any = 1, name: str = "pay", **more: Any) -> ToolUse:
    return {"toolUseId": use_id, "name": name, "input": {"amount": amount, **more}}


async def test_a_direct_call_has_one_too(agents: Agents) -> None:
    async with agents(workflows=[CallerWorkflow], activities=ACTIVITIES, models={"m": ScriptedModel}) as env:
        assert await env.run(CallerWorkflow.run) == "paid"
    assert len(set(keys)) == len(keys) == 2
    assert all(len(key) == 32 for key in keys)


@workflow.defn
class CallerWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=[activity_as_tool(pay)], callback_handler=None)
        await agent.tool_async.pay(amount=1)
        result = await agent.tool_async.pay(amount=1)  # another call, although with the same arguments
        return result["content"][0].get("text", "")


async def test_the_same_however_the_model_writes_the_arguments(agents: Agents) -> None:
    seen = await keys_of(agents, use("a", 1, to="x"), use("a", to="x", amount="1"))
    assert len(seen) == 2
    assert len(set(seen)) == 1


async def test_different_for_other_arguments_and_another_tool_under_one_id(agents: Agents) -> None:
    seen = await keys_of(agents, use("a"), use("a", 2), use("a", to="bank"), use("a", name="other"))
    assert len(set(seen)) == len(seen) == 4


async def test_never_visible_to_the_model(agents: Agents) -> None:
    model = await paid(agents, use_tool("pay", {"amount": 1}), echo)
    (key,) = keys
    seen = json.dumps([[call.messages, call.tool_specs, call.system_prompt] for call in model.calls])
    assert key not in seen
    assert "idempotency" not in seen
    assert "tool_context" not in seen


# --- Worker restarts, resets, continue-as-new ---------------------------------------------------------------

first_attempt = asyncio.Event()
let_go = asyncio.Event()


@activity.defn(name="pay")
async def pay_and_hang(amount: int, to: str = "shop") -> str:
    """Stand for a worker that dies while it pays."""
    keys.append(tool_context().idempotency_key)
    first_attempt.set()
    await let_go.wait()
    return "never"


async def test_the_same_on_another_worker_after_the_first_one_ended(
    client: Client, worker_options: dict[str, Any]
) -> None:
    first_attempt.clear()
    model = ScriptedModel(use_tool("pay", {"amount": 1}), echo)
    queue = f"test-{uuid.uuid4()}"

    def worker(function: Any) -> Worker:
        plugin = StrandsPlugin(models={"m": lambda: model})
        return Worker(
            client,
            task_queue=queue,
            workflows=[PayWorkflow],
            activities=[function],
            plugins=[plugin],
            **worker_options,
        )

    async with worker(pay_and_hang):
        handle = await client.start_workflow(PayWorkflow.run, ["go"], id=queue, task_queue=queue)
        await asyncio.wait_for(first_attempt.wait(), 20)
    async with worker(pay):
        assert await asyncio.wait_for(handle.result(), 60) == "it said: paid"
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def reset_before_the_tool(env: AgentEnvironment, handle: WorkflowHandle[Any, Any]) -> Any:
    """Reset the workflow to the workflow task that scheduled `pay`, and return its new result."""
    return await reset_to(env, handle, await scheduling(handle, "pay"))


async def test_the_same_over_a_reset(agents: Agents) -> None:
    model = ScriptedModel(use_tool("pay", {"amount": 1}), echo, echo)
    async with agents(workflows=[PayWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        handle = await env.start(PayWorkflow.run, ["go"])
        assert await handle.result() == "it said: paid"
        assert await reset_before_the_tool(env, handle) == "it said: paid"
    assert len(keys) == 2  # paid twice, but the shop can tell by the key
    assert len(set(keys)) == 1
    assert len(model.calls) == 3


@workflow.defn
class CarriedPaymentWorkflow:
    """Asks in the first run and pays in the second."""

    @workflow.run
    async def run(self, carry: AgentCarry | None) -> str:
        agent = TemporalAgent(
            "m", tools=[activity_as_tool(pay_if_agreed)], carry=carry, callback_handler=None
        )
        if carry is None:
            result = await agent.invoke_async("go")
            assert result.stop_reason == "interrupt"
            workflow.continue_as_new(agent.carry())
        asked = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]["interrupts"]
        answers: Any = [{"interruptResponse": {"interruptId": id_, "response": "yes"}} for id_ in asked]
        return str(await agent.invoke_async(answers)).strip()


async def test_the_same_over_an_interrupt_and_continue_as_new(agents: Agents) -> None:
    model = ScriptedModel(use_tool("pay_if_agreed", {"amount": 1}), echo)
    async with agents(
        workflows=[CarriedPaymentWorkflow], activities=ACTIVITIES, models={"m": lambda: model}
    ) as env:
        handle = await env.start(CarriedPaymentWorkflow.run, None)
        assert await handle.result() == "it said: paid, said yes"
        description = await handle.describe()
        assert description.run_id != handle.first_execution_run_id  # there was a second run
        await env.assert_replays(env.client.get_workflow_handle(handle.id))
    assert len(keys) == 2
    assert len(set(keys)) == 1


# --- Calls without a key ------------------------------------------------------------------------------------


@activity.defn
async def not_a_tool() -> str:
    """Be called by the workflow itself."""
    try:
        return tool_context().idempotency_key
    except RuntimeError as error:
        return str(error)


@activity.defn
async def takes_a_context(tool_context: ToolContext) -> str:
    """Be called by the workflow itself, with a context of its own making."""
    try:
        return tool_context.idempotency_key
    except RuntimeError as error:
        return str(error)


@workflow.defn
class NoToolWorkflow:
    @workflow.run
    async def run(self) -> list[str]:
        minute = timedelta(minutes=1)
        plain = await workflow.execute_activity(not_a_tool, start_to_close_timeout=minute)
        given = await workflow.execute_activity(takes_a_context, ToolContext(), start_to_close_timeout=minute)
        agent = TemporalAgent("m", tools=[call_another], callback_handler=None)
        return [plain, given, str(await agent.invoke_async("go")).strip()]


@tool
async def call_another() -> str:
    """Call an activity from a tool in the workflow."""
    return await workflow.execute_activity(not_a_tool, start_to_close_timeout=timedelta(minutes=1))


async def test_an_activity_that_is_not_called_as_a_tool_has_none(agents: Agents) -> None:
    model = ScriptedModel(use_tool("call_another", {}), echo)
    async with agents(
        workflows=[NoToolWorkflow], activities=[not_a_tool, takes_a_context], models={"m": lambda: model}
    ) as env:
        plain, given, other = await env.run(NoToolWorkflow.run)
    assert plain.startswith("There is no tool context here")
    assert given.startswith("This activity was not called as a tool")
    assert other == f"it said: {plain}"
