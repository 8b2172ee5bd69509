"""When a Worker or Replayer ends, what agents leave behind is evicted, and does nothing afterwards."""

import asyncio
import gc
import inspect
import uuid
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from typing import Any, cast

import pytest
from conftest import Agents
from packages.core.tests.upstream.workers_end_scenes import (
    ACTIVITIES,
    BUILD,
    HOOKS,
    SOON,
    Busy,
    BusyUnsandboxed,
    audit,
    let_go,
    scripts,
    until,
)
from packages.core.tests.upstream.workers_end_scenes import fresh as fresh
from packages.core.tests.upstream.workers_end_scenes import no_collection_by_itself as no_collection_by_itself
from temporalio import workflow
from temporalio.client import WorkflowHandle
from temporalio.worker import Replayer
from typing_extensions import override

from strands_temporal import StrandsPlugin
from strands_temporal._upstream import background
from strands_temporal._upstream.teardown import check_not_torn_down, watch_collector
from strands_temporal.workflow import activity_as_hook, execute_activity


@workflow.defn(name="BusySandboxed")
class BusySandboxed(Busy):
    @workflow.run
    @override
    async def run(self, case: str) -> str:
        return await super().run(case)


@workflow.defn(sandboxed=False)
class Bystander:
    """A workflow without any agent, in which the garbage collector runs."""

    @workflow.run
    async def run(self) -> int:
        gc.collect()
        await workflow.sleep(timedelta(milliseconds=10))
        return gc.collect()


async def activities_of(handle: "WorkflowHandle[Any, Any]") -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


@pytest.mark.sample(6)
@pytest.mark.server
@pytest.mark.parametrize("busy", [BusyUnsandboxed, BusySandboxed], ids=["unsandboxed", "sandboxed"])
@pytest.mark.parametrize("case", list(BUILD))
async def test_what_a_worker_left_runs_nothing_in_other_workflows(
    agents: Agents, case: str, busy: Any
) -> None:
    queue = f"ended-{uuid.uuid4()}"
    both: list[Any] = [busy, Bystander]
    async with agents(workflows=[busy], activities=ACTIVITIES, models=scripts(), task_queue=queue) as env:
        handle = await env.start(busy.run, case)
        await asyncio.wait_for(until(BUILD[case][1]), SOON)
    del env
    ended = len(HOOKS)
    async with agents(workflows=[Bystander], models=scripts()) as env:
        bystander = await env.start(Bystander.run)
        await asyncio.wait_for(bystander.result(), SOON)
        assert await activities_of(bystander) == []
        await env.assert_replays(bystander)
    assert HOOKS[ended:] == [], "called where the agent is not"
    let_go.set()
    async with agents(workflows=both, activities=ACTIVITIES, models=scripts(), task_queue=queue) as env:
        done = await asyncio.wait_for(handle.result(), SOON)
        assert done == ("completed" if case in ("a graph", "a swarm") else "end_turn")
        await env.assert_replays(handle)


@pytest.mark.server
async def test_hooks_are_called_for_what_happens_and_not_for_an_eviction(agents: Agents) -> None:
    """The cache has room for one of four agents. Each agent waits twice."""
    let_go.clear()
    async with agents(
        workflows=[BusyUnsandboxed], activities=ACTIVITIES, models=scripts(), max_cached_workflows=1
    ) as env:
        handles = [await env.start(BusyUnsandboxed.run, "a tool") for _ in range(4)]
        await asyncio.wait_for(until(4), SOON)
        assert "AfterInvocationEvent" not in {name for name, _ in HOOKS}
        assert "AfterToolCallEvent" not in {name for name, _ in HOOKS}
        let_go.set()
        for handle in handles:
            assert await asyncio.wait_for(handle.result(), SOON) == "end_turn"
            activities = await activities_of(handle)
            assert activities.count("audit") == 5, activities  # two models, before and after a tool, the end
            await env.assert_replays(handle)


@pytest.mark.server
@pytest.mark.parametrize("case", ["a tool", "a graph", "a hook"])
async def test_a_replayer_leaves_nothing_either(agents: Agents, case: str) -> None:
    async with agents(workflows=[BusyUnsandboxed, Bystander], activities=ACTIVITIES, models=scripts()) as env:
        handle = await env.start(BusyUnsandboxed.run, case)
        await asyncio.wait_for(until(BUILD[case][1]), SOON)
        HOOKS.clear()
        history = await handle.fetch_history()
        seen = list[str]()

        async def histories() -> AsyncGenerator[Any]:
            yield history
            yield history

        replayer = Replayer(workflows=[BusyUnsandboxed], plugins=[StrandsPlugin(models=scripts())])
        async with replayer.workflow_replay_iterator(histories()) as results:
            async for result in results:
                assert result.replay_failure is None
                seen = [name for name, _ in HOOKS]
                break  # the second call is under way
        del replayer, results
        again = [name for name, _ in HOOKS]
        bystander = await env.start(Bystander.run)
        await asyncio.wait_for(bystander.result(), SOON)
        assert await activities_of(bystander) == []
        await env.assert_replays(bystander)
        assert [name for name, _ in HOOKS] == again
        assert not {"AfterInvocationEvent", "AfterNodeCallEvent"} & set(seen + again)
        let_go.set()
        await asyncio.wait_for(handle.result(), SOON)


@pytest.mark.server
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_without_safe_eviction_the_collector_calls_nothing(agents: Agents) -> None:
    """With that option, of which temporalio warns, the garbage collector closes each evicted workflow."""
    async with agents(
        workflows=[BusyUnsandboxed, Bystander],
        activities=ACTIVITIES,
        models=scripts(),
        max_cached_workflows=1,
        disable_safe_workflow_eviction=True,
    ) as env:
        handles = [await env.start(BusyUnsandboxed.run, "tools at once") for _ in range(3)]
        await asyncio.wait_for(until(6), SOON)
        before = list(HOOKS)
        bystander = await env.start(Bystander.run)
        await asyncio.wait_for(bystander.result(), SOON)
        assert await activities_of(bystander) == []
        assert before == HOOKS
        await env.assert_replays(bystander)
        let_go.set()
        for handle in handles:
            assert await asyncio.wait_for(handle.result(), SOON) == "end_turn"


CLEANED: list[str] = []


@workflow.defn(sandboxed=False)
class CleansUp:
    """Has work in a `finally`, which runs while the workflow is torn down."""

    @workflow.run
    async def run(self, by: str) -> None:
        options: Any = {"start_to_close_timeout": timedelta(seconds=30)}
        hook = activity_as_hook(audit, activity_input=lambda _: CLEANED.append("called"), **options)
        try:
            await workflow.wait_condition(lambda: False)
        finally:
            CLEANED.append("begun")
            event: Any = None
            if by == "a hook":
                await cast("Any", hook(event))
            else:
                await execute_activity(audit, ["late"], options)
            CLEANED.append("done")

    @workflow.query
    def is_begun(self) -> bool:
        return True


@pytest.mark.server
@pytest.mark.parametrize("torn_down_by", ["eviction", "the collector"])
@pytest.mark.parametrize("by", ["a hook", "an activity"])
async def test_nothing_of_ours_starts_anything_in_a_teardown(
    agents: Agents, torn_down_by: str, by: str
) -> None:
    CLEANED.clear()
    async with agents(
        workflows=[CleansUp, Bystander],
        activities=[audit],
        max_cached_workflows=1,
        disable_safe_workflow_eviction=torn_down_by == "the collector",
    ) as env:
        handle = await env.start(CleansUp.run, by)
        await handle.query(CleansUp.is_begun)
        bystander = await env.start(Bystander.run)
        await asyncio.wait_for(bystander.result(), SOON)
        assert set(CLEANED) == {"begun"}
        assert await activities_of(bystander) == []
        await env.assert_replays(bystander)


class _Cycle:
    """Belongs to a reference cycle, so that only the garbage collector frees it."""

    def __init__(self, seen: list[str], act: Callable[[], object] = check_not_torn_down) -> None:
        self.itself = self
        self.seen = seen
        self.act = act

    def __del__(self) -> None:
        try:
            self.act()
            self.seen.append("alive")
        except GeneratorExit:
            self.seen.append("torn down")


def test_code_in_a_garbage_collection_is_stopped() -> None:
    watch_collector()
    watch_collector()
    seen = list[str]()
    _Cycle(seen)
    gc.collect()
    assert seen == ["torn down"]
    check_not_torn_down()
    _Cycle(seen).itself = None  # pyright: ignore[reportAttributeAccessIssue]  # freed by its reference count
    assert seen == ["torn down", "alive"]


def test_a_background_call_that_is_not_started_leaves_no_warning() -> None:
    async def call() -> None: ...

    watch_collector()
    made = call()
    seen = list[str]()
    _Cycle(seen, lambda: background.create_task(made))
    gc.collect()
    assert seen == ["torn down"]
    assert inspect.getcoroutinestate(made) == inspect.CORO_CLOSED
