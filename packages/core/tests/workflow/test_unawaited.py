"""A call of an agent without `await`: the run or the update ends and says what to write."""

import asyncio
import gc
from collections.abc import Generator
from typing import Any, cast

import pytest
from conftest import Agents
from strands import Agent
from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say

# Python warns of each such coroutine too, when it is collected.
pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")]


@pytest.fixture(autouse=True)
def collected_in_this_test() -> Generator[None]:
    yield
    gc.collect()


@workflow.defn
class Unawaited:
    @workflow.run
    async def run(self, kind: str) -> Any:
        agent: Any = TemporalAgent("m", callback_handler=None)
        match kind:
            case "returned":
                return agent.invoke_async("Hi")
            case "as text":
                return str(agent.invoke_async("Hi"))
            case "used":
                return agent.invoke_async("Hi").message
            case "plain":
                return str(cast("Any", Agent(TemporalModel("m"))).invoke_async("Hi"))
            case "stream":
                return agent.stream_async("Hi")
            case "answer":
                return str(await agent.invoke_async("Hi"))
            case _:
                return await asyncio.Event().wait()

    @workflow.update
    async def turn(self) -> Any:
        return str(cast("Any", TemporalAgent("m")).invoke_async("Hi"))


def models(answer: str = "Hello") -> dict[str, Any]:
    return {"m": lambda: ScriptedModel(say(answer))}


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("returned", "`await agent.invoke_async(...)`"),
        ("as text", "`await agent.invoke_async(...)`"),
        ("plain", "`await agent.invoke_async(...)`"),
        ("stream", "`async for event in agent.stream_async(...)`"),
    ],
)
async def test_a_call_without_await_ends_the_run(agents: Agents, kind: str, written: str) -> None:
    async with agents(workflows=[Unawaited], models=models()) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(Unawaited.run, kind)
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == "AgentTypeError"
    assert f"Write {written} [ST107: docs/messages.md#st107]" in cause.message


async def test_a_call_that_is_used_without_await_fails_the_task_until_a_deploy_mends_it(
    agents: Agents,
) -> None:
    async with agents(workflows=[Unawaited], models=models()) as env:
        handle = await env.start(Unawaited.run, "used")
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failure = event.workflow_task_failed_event_attributes.failure.message
                assert "used invoke_async(...) without awaiting it" in failure
                break
        await handle.terminate()


async def test_in_an_update_it_ends_the_update_only(agents: Agents) -> None:
    async with agents(workflows=[Unawaited], models=models()) as env:
        handle = await env.start(Unawaited.run, "waits")
        with pytest.raises(WorkflowUpdateFailedError) as failure:
            await handle.execute_update(Unawaited.turn)
        await env.assert_replays(handle)
        await handle.terminate()
    assert "The update 'turn' used invoke_async(...) without awaiting it" in str(failure.value.cause)


async def test_an_answer_that_speaks_of_coroutines_is_an_answer(agents: Agents) -> None:
    answer = "You see <coroutine object Agent.invoke_async at 0x7f00>: await it."
    async with agents(workflows=[Unawaited], models=models(answer)) as env:
        assert await env.run(Unawaited.run, "answer") == answer + "\n"
