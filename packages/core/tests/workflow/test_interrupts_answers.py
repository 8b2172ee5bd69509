"""Answers to interrupts in a workflow: ids in a replay, answers before their question, unmatched answers."""

import asyncio
import uuid
from typing import Any

import pytest
from conftest import Agents, at_rest
from packages.core.tests.workflow.payment_scenes import (
    CACHES,
    answer_to,
    paid,
    pay,
    plain_pay,
    three_payments,
)
from strands import Agent
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


@workflow.defn
class PaymentsWorkflow:
    """The recipe of the docs. It keeps answers under the interrupt's name, whenever they come."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.waiting: list[dict[str, Any]] = []
        self.agent = TemporalAgent("m", tools=[activity_as_tool(pay)], callback_handler=None)

    @workflow.run
    async def run(self) -> str:
        result = await self.agent.invoke_async("go")
        while result.stop_reason == "interrupt":
            asked = [interrupt for interrupt in result.interrupts or () if interrupt.response is None]
            self.waiting = [interrupt.to_dict() for interrupt in asked]
            await workflow.wait_condition(lambda asked=asked: any(self.key(i) in self.answers for i in asked))
            answers: Any = [
                answer_to(interrupt, self.answers.pop(self.key(interrupt)))
                for interrupt in asked
                if self.key(interrupt) in self.answers
            ]
            result = await self.agent.invoke_async(answers)
        return str(result).strip()

    def key(self, interrupt: Any) -> str:
        return f"{interrupt.name} {interrupt.reason}"

    @workflow.signal
    def answer(self, key: str, response: str) -> None:
        self.answers[key] = response

    @workflow.query
    def pending(self) -> list[dict[str, Any]]:
        return self.waiting


@CACHES
async def test_answers_sent_before_the_pause_are_kept(agents: Agents, cache: Any) -> None:
    asked = asyncio.Event()
    model = ScriptedModel(use_tool("pay", {"amount": 1}).when(asked.wait), paid)
    more = {} if cache is None else {"max_cached_workflows": cache}
    async with agents(
        workflows=[PaymentsWorkflow], activities=[pay], models={"m": lambda: model}, **more
    ) as env:
        handle = await env.start(PaymentsWorkflow.run)
        await handle.signal(PaymentsWorkflow.answer, args=["pay 1", "early"])
        asked.set()
        assert await handle.result() == "read: 1 paid: early"
        await env.assert_replays(handle)


@CACHES
async def test_ids_are_the_same_on_another_worker_which_goes_on(agents: Agents, cache: Any) -> None:
    options: dict[str, Any] = {
        "workflows": [PaymentsWorkflow],
        "activities": [pay],
        "task_queue": f"payments-{uuid.uuid4()}",
        **({} if cache is None else {"max_cached_workflows": cache}),
    }
    model = three_payments()
    async with agents(models={"m": lambda: model}, **options) as env:
        handle = await env.start(PaymentsWorkflow.run)
        await until_pending(handle, 3)
        await handle.signal(PaymentsWorkflow.answer, args=["pay 2", "first"])
        await until_pending(handle, 2)
        await at_rest(handle)
        before = await handle.query(PaymentsWorkflow.pending)
    async with agents(models={"m": lambda: model}, **options) as env:
        same = env.client.get_workflow_handle_for(PaymentsWorkflow.run, handle.id)
        assert await same.query(PaymentsWorkflow.pending) == before
        for amount in (1, 3):
            await same.signal(PaymentsWorkflow.answer, args=[f"pay {amount}", "then"])
        # In the order of their results, as in plain Strands.
        assert await same.result() == "read: 2 paid: first\n1 paid: then\n3 paid: then"
        await env.assert_replays(same)


async def until_pending(handle: Any, number: int) -> Any:
    async for _ in handle.fetch_history_events(wait_new_event=True):
        pending = await handle.query(PaymentsWorkflow.pending)
        if len(pending) == number:
            return pending
    raise AssertionError("the workflow ended first")


@workflow.defn
class WrongAnswerWorkflow:
    @workflow.run
    async def run(self, answer: Any) -> str:
        agent = TemporalAgent("m", tools=[activity_as_tool(pay)], callback_handler=None)
        await agent.invoke_async("go")
        return str(await agent.invoke_async(answer))


WRONG: dict[str, Any] = {
    "unknown id": [{"interruptResponse": {"interruptId": "v1:nothing", "response": "yes"}}],
    "a text": "yes",
    "mixed": [{"text": "yes"}, {"interruptResponse": {"interruptId": "x", "response": "yes"}}],
}


@pytest.mark.parametrize("case", list(WRONG))
async def test_a_wrong_answer_ends_the_run_with_the_error_of_a_plain_agent(agents: Agents, case: str) -> None:
    plain = Agent(three_payments(), tools=[plain_pay], callback_handler=None)
    await plain.invoke_async("go")
    with pytest.raises((KeyError, TypeError)) as error:
        await plain.invoke_async(WRONG[case])
    async with agents(workflows=[WrongAnswerWorkflow], activities=[pay], models={"m": three_payments}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(WrongAnswerWorkflow.run, WRONG[case])
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message) == (type(error.value).__name__, str(error.value))
