"""Each call keeps its key, even after the reset of a workflow."""

import pytest
from conftest import Agents
from packages.core.tests.workflow.call_identity_scenes import (
    ACTIVITIES,
    CALL,
    TurnsWorkflow,
    agent_of,
    numbers_anew,
    pay,
)
from packages.core.tests.workflow.call_identity_scenes import forget_payments as forget_payments
from packages.core.tests.workflow.key_scenes import keys, reset_to, scheduling
from strands import Agent
from strands.hooks import AfterModelCallEvent
from temporalio import workflow

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


@pytest.mark.parametrize("way", ["a TemporalAgent", "a plain agent"])
async def test_calls_asked_before_the_point_of_a_reset_keep_their_keys(agents: Agents, way: str) -> None:
    model = ScriptedModel(numbers_anew(CALL, CALL, ("pay", {"amount": 7, "to": "eve"}, "call_1")))
    async with agents(workflows=[ResetWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        handle = await env.start(ResetWorkflow.run, way == "a plain agent")
        assert await handle.result() == "paid 5 to bob\npaid 5 to bob\npaid 7 to eve"
        before = set(keys)
        keys.clear()
        # The keys of the second turn: the reset keeps the calls of the first turn, with their results.
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
        # Another agent's answers come between the model's answer and the calls that it asks for.
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
    assert len(set(before)) == 4  # two equal keys in each of two runs
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
