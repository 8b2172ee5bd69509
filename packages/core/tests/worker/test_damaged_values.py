"""A value that was damaged on its way ends the run with a typed failure: no workflow task fails for ever."""

from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.failures import failure_of
from strands import Agent, tool
from temporalio import workflow
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from strands_temporal import AgentCarry, ConversationStart, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say
from strands_temporal.workflow import TemporalTools

pytestmark = pytest.mark.server


@dataclass
class Damaged(Interceptor):
    """Gives the workflow another value in place of an activity's."""

    activity: str
    value: Any

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next, self)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, damaged: Damaged) -> None:
        super().__init__(next)
        self._damaged = damaged

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        value = await self.next.execute_activity(input)
        activity: Any = input.fn
        name = getattr(activity, "__temporal_activity_definition").name  # as Temporal marks it
        return self._damaged.value if name == self._damaged.activity else value


@workflow.defn
class PlainWorkflow:
    """A plain agent, whose own errors Temporal would take for faults of the code."""

    @workflow.run
    async def run(self) -> str:
        return str(await Agent(TemporalModel("m"), callback_handler=None).invoke_async("go"))


@workflow.defn
class DurableWorkflow:
    @workflow.run
    async def run(self, carry: AgentCarry | None = None) -> str:
        agent = TemporalAgent("m", carry=carry, callback_handler=None)
        return str(await agent.invoke_async("go"))


@workflow.defn
class HostingWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=[TemporalTools("t")], callback_handler=None)
        return str(await agent.invoke_async("go"))


@tool
def look() -> str:
    """Look."""
    return "x"


@workflow.defn
class StartedWorkflow:
    @workflow.run
    async def run(self, start: ConversationStart) -> str:
        return str(start.agent)


ANSWERS: dict[str, Any] = {
    "a number": 5,
    "no content": {"events": {}},
    "events that are text": {"events": ["x", {"contentBlockDelta": 5}]},
    "a text that is a number": {"events": {"content": [{"text": 5}]}},
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("kind", [PlainWorkflow, DurableWorkflow])
async def test_an_answer_that_is_none_ends_the_run(agents: Agents, kind: Any, answer: str) -> None:
    async with agents(
        workflows=[kind],
        models={"m": lambda: ScriptedModel(say("x"))},
        interceptors=[Damaged("invoke_model", ANSWERS[answer])],
    ) as env:
        failure = await failure_of(env, kind.run)
        assert failure.type in ("AgentValueError", "AgentTypeError")
        assert failure.non_retryable


async def test_a_listing_that_is_none_ends_the_run(agents: Agents) -> None:
    """Its type is declared, so Temporal's converter reads it."""
    async with agents(
        workflows=[HostingWorkflow],
        models={"m": lambda: ScriptedModel(say("x"))},
        interceptors=[Damaged("list_hosted_tools", {"tools": [{"hosted_as": 5}]})],
        tools={"t": lambda: look},
    ) as env:
        failure = await failure_of(env, HostingWorkflow.run)
        assert failure.type == "AgentValueError"
        assert "HostedToolListing" in failure.message


@pytest.mark.parametrize("carry", ["bm90IGEgY2Fycnk=", "eJyrrgUAAXUA+Q==", ""])
async def test_a_carry_that_is_none_ends_the_run(agents: Agents, carry: str) -> None:
    async with agents(workflows=[DurableWorkflow], models={"m": lambda: ScriptedModel(say("x"))}) as env:
        failure = await failure_of(env, DurableWorkflow.run, AgentCarry(carry))
        assert failure.type == "AgentValueError"
        assert "the carry is damaged" in failure.message


async def test_an_input_of_ours_that_is_none_ends_the_run(agents: Agents) -> None:
    async with agents(workflows=[StartedWorkflow], models={"m": lambda: ScriptedModel(say("x"))}) as env:
        started: Any = "StartedWorkflow"
        failure = await failure_of(env, started, {"arguments": 5})
        assert failure.type == "AgentValueError"
        assert "ConversationStart" in failure.message
