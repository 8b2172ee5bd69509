"""An attempt that a shutdown, a pause or a reset cuts short has no result. It is repeated, to its end."""

import asyncio
import threading
import uuid
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import tool
from strands.hooks import BeforeToolCallEvent
from strands.types.streaming import StreamEvent
from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    ResetActivityRequest,
    UnpauseActivityRequest,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext, tool_context
from strands_temporal.testing import ScriptedModel, assert_replays, say, use_tool
from strands_temporal.workflow import TemporalTools, activity_as_hook, activity_as_tool

pytestmark = pytest.mark.server

SOON = 30
STEPS = 8

begun = threading.Event()
attempts: list[int] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    begun.clear()
    attempts.clear()


def work(cancelled: threading.Event) -> list[int]:
    """Do eight steps until the signal is set, as in the docs. The first attempt waits in the third."""
    attempts.append(activity.info().attempt)
    done: list[int] = []
    while len(done) < STEPS and not cancelled.is_set():
        done.append(len(done))
        if len(done) == 3 and len(attempts) == 1:
            begun.set()
            cancelled.wait(SOON)
    return done


async def partial() -> list[int]:
    """Do the steps. If cancelled, return the steps done so far."""
    attempts.append(activity.info().attempt)
    done = [0, 1, 2]
    if len(attempts) == 1:
        begun.set()
        try:
            await asyncio.sleep(SOON)
        except asyncio.CancelledError:
            return done
    return list(range(STEPS))


@activity.defn(no_thread_cancel_exception=True)
def count(tool_context: ToolContext) -> list[int]:
    """Count to eight."""
    return work(tool_context.cancel_signal)


@activity.defn(no_thread_cancel_exception=True)
def count_without_context() -> list[int]:
    """Count to eight."""
    return work(tool_context().cancel_signal)


@activity.defn
async def count_on_the_loop() -> list[int]:
    """Count to eight."""
    return await partial()


@activity.defn(no_thread_cancel_exception=True)
def count_or_fail() -> list[int]:
    """Count to eight; what is cut short is an error that no retry would help."""
    done = work(tool_context().cancel_signal)
    if len(done) < STEPS:
        raise ApplicationError(f"only {done}", non_retryable=True)
    return done


@tool(name="count_hosted")
async def count_hosted() -> str:
    """Count to eight."""
    return str(await partial())


@activity.defn
async def objection() -> str | None:
    """Object to every call; a policy service that is cut off has no objection."""
    return None if len(await partial()) < STEPS else "not on Sundays"


@tool(name="guarded")
def guarded() -> str:
    """Do what a hook guards."""
    return "done"


def cancel_on(event: BeforeToolCallEvent, reason: str | None) -> None:
    event.cancel_tool = reason or False


TOLD: Any = {"heartbeat_timeout": timedelta(seconds=1.5)}
ACTIVITIES = [count, count_without_context, count_on_the_loop, count_or_fail, objection]
WHOLE = str(list(range(STEPS)))


def tools() -> list[Any]:
    return [
        *(activity_as_tool(each, **TOLD) for each in ACTIVITIES[:-1]),
        TemporalTools("count_hosted", **TOLD),
        guarded,
    ]


@workflow.defn
class CountingWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=tools(), callback_handler=None, **TOLD)
        hook = activity_as_hook(objection, apply=cancel_on, **TOLD)

        async def guard(event: BeforeToolCallEvent) -> None:
            if event.tool_use["name"] == "guarded":
                await hook(event)  # pyright: ignore[reportGeneralTypeIssues]  # a coroutine function

        agent.add_hook(guard, BeforeToolCallEvent)
        return str(await agent.invoke_async("go")).strip()


class Politely(ScriptedModel):
    """A model whose connection ends with its own last sentence when cancelled."""

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        whole = await partial()
        for event in say(str(whole)).events:
            yield event


def counting(name: str) -> ScriptedModel:
    if name == "model":
        return Politely()
    return ScriptedModel(use_tool(name, {}), lambda call: say(call.text))


SUBJECTS = {
    "count": WHOLE,
    "count_without_context": WHOLE,
    "count_on_the_loop": WHOLE,
    "count_or_fail": WHOLE,
    "count_hosted": WHOLE,
    "guarded": "not on Sundays",
    "model": WHOLE,
}


@asynccontextmanager
async def workers(
    client: Client, options: dict[str, Any], subject: str
) -> AsyncGenerator[tuple[WorkflowHandle[Any, Any], Callable[[], Worker]]]:
    """Start the workflow on a worker. Yield it, and a function that makes workers for its activities."""
    queue = f"test-{uuid.uuid4()}"
    model = counting(subject)
    plugin = StrandsPlugin(models={"m": lambda: model}, tools={"count_hosted": lambda: count_hosted})
    own: Any = {"plugins": [plugin], "task_queue": queue}
    with ThreadPoolExecutor(4) as executor:

        def activity_worker() -> Worker:
            at_once = timedelta(milliseconds=1)  # the default waits for running activities
            return Worker(
                client,
                activities=ACTIVITIES,
                activity_executor=executor,
                graceful_shutdown_timeout=at_once,
                **own,
            )

        async with Worker(client, workflows=[CountingWorkflow], no_remote_activities=True, **own, **options):
            yield (
                await client.start_workflow(CountingWorkflow.run, id=queue, task_queue=queue),
                activity_worker,
            )


async def work_has_begun() -> None:
    assert await asyncio.to_thread(begun.wait, SOON)


async def ended(handle: WorkflowHandle[Any, Any], subject: str) -> None:
    assert await asyncio.wait_for(handle.result(), SOON) == SUBJECTS[subject]
    assert len(attempts) == 2
    plugin = StrandsPlugin(models={"m": ScriptedModel})
    await assert_replays(await handle.fetch_history(), [CountingWorkflow], plugins=[plugin])


@pytest.mark.sample(4)
@pytest.mark.parametrize("subject", list(SUBJECTS))
async def test_a_workers_shutdown(client: Client, worker_options: dict[str, Any], subject: str) -> None:
    async with workers(client, worker_options, subject) as (handle, worker):
        async with worker():
            await work_has_begun()
        async with worker():
            await ended(handle, subject)


@pytest.mark.sample(5)
@pytest.mark.parametrize("subject", ["count", "count_on_the_loop", "count_hosted", "guarded", "model"])
@pytest.mark.parametrize("how", ["pause", "reset"])
async def test_an_operators_pause_or_reset(
    client: Client, worker_options: dict[str, Any], subject: str, how: str
) -> None:
    async with workers(client, worker_options, subject) as (handle, worker), worker():
        await work_has_begun()
        (pending,) = (await handle.describe()).raw_description.pending_activities
        about: Any = {
            "namespace": client.namespace,
            "execution": WorkflowExecution(workflow_id=handle.id),
            "id": pending.activity_id,
        }
        if how == "pause":
            await client.workflow_service.pause_activity(PauseActivityRequest(**about), retry=True)
            await asyncio.wait_for(no_longer_started(handle), SOON)
            await client.workflow_service.unpause_activity(UnpauseActivityRequest(**about), retry=True)
        else:
            await client.workflow_service.reset_activity(ResetActivityRequest(**about), retry=True)
        await ended(handle, subject)


async def no_longer_started(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until the attempt has ended, so that it notices the pause before the unpause."""
    while True:
        pending = (await handle.describe()).raw_description.pending_activities
        if not pending or pending[0].HasField("last_failure"):
            return
        await asyncio.sleep(0.05)


@workflow.defn
class StoppedWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent("m", tools=[activity_as_tool(count, **TOLD)], callback_handler=None)

    @workflow.run
    async def run(self) -> list[Any]:
        result = await self.agent.invoke_async("go")
        content: Any = self.agent.messages[-1]["content"]
        return [result.stop_reason, content[0]["toolResult"]["status"]]

    @workflow.signal
    def stop(self) -> None:
        self.agent.cancel()


async def test_a_stop_of_the_agent_is_not_undone(agents: Agents) -> None:
    model = counting("count")
    async with agents(workflows=[StoppedWorkflow], activities=[count], models={"m": lambda: model}) as env:
        handle = await env.start(StoppedWorkflow.run)
        await work_has_begun()
        await handle.signal(StoppedWorkflow.stop)
        assert await asyncio.wait_for(handle.result(), SOON) == ["cancelled", "error"]
        await env.assert_replays(handle)
    assert attempts == [1]


@activity.defn(name="users_own")
async def users_own() -> list[int]:
    """An activity that the workflow calls itself. Its result counts, even if a shutdown cut it short."""
    return await partial()


@workflow.defn
class OwnActivityWorkflow:
    @workflow.run
    async def run(self) -> Any:
        return await workflow.execute_activity(
            "users_own", start_to_close_timeout=timedelta(minutes=1), heartbeat_timeout=timedelta(seconds=9)
        )


async def test_an_activity_of_the_users_own_is_left_alone(
    client: Client, worker_options: dict[str, Any]
) -> None:
    own: Any = {"plugins": [StrandsPlugin()], "task_queue": f"test-{uuid.uuid4()}"}
    async with Worker(
        client, workflows=[OwnActivityWorkflow], no_remote_activities=True, **own, **worker_options
    ):
        handle = await client.start_workflow(
            OwnActivityWorkflow.run, id=own["task_queue"], task_queue=own["task_queue"]
        )
        at_once = timedelta(microseconds=1)  # the default gives the activity 20 seconds to end
        async with Worker(client, activities=[users_own], graceful_shutdown_timeout=at_once, **own):
            await work_has_begun()
        assert await asyncio.wait_for(handle.result(), SOON) == [0, 1, 2]
    assert attempts == [1]
