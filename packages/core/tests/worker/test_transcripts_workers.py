"""Conversations reach the model completely, whatever happens to the workers that cache them."""

import asyncio
import sys
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.transcript_runs import SOON, Asked, Runs, Told, Watch, assert_same, plainly, told
from packages.core.tests.transcript_scenes import Plan, Talk, answer
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

from strands_temporal.testing import DevServer, Reply, ScriptedCall, ScriptedModel, assert_replays

pytestmark = pytest.mark.server

ASKING = "strands_temporal._worker.transcript_queries"

LARGE = 70_000
"""Characters of a text that is too large to go with a call, so that the worker asks for it."""

PLANS = {
    "one": Plan("one", ["steps=2 size=500 a", "steps=1 size=500 b", "c"]),
    "large": Plan("one", [f"steps=2 size={LARGE} pad={LARGE} a", f"steps=1 size=500 answer={LARGE} b", "c"]),
    "window": Plan("one", [f"answer=10 {i}" for i in range(5)], window=4),
    "activities": Plan("fetching", ["steps=3 size=5000 a", "steps=1 size=5000 b"]),
    "two agents": Plan("in_turns", ["steps=1 size=500 a", "b", "c"]),
    "parallel": Plan("parallel", [f"steps=1 size=500 pad={LARGE} a", "b", "c"], agents=4),
    "sub-agent": Plan("delegating", ["steps=2 size=500 a", f"steps=1 size={LARGE} b"]),
    "one handle": Plan("one_handle", ["a", f"pad={LARGE} b", "c"], agents=3),
}
TOO_LARGE = {"large": 3, "parallel": 4, "sub-agent": 2}
"""How many calls have new content that does not go with them, by scene."""


@pytest.fixture
def runs(client: Client, worker_options: dict[str, Any]) -> Runs:
    return Runs(client, worker_options)


# --- A worker that keeps all, nothing, or little


@pytest.mark.sample(8)
@pytest.mark.parametrize("cache", [None, 0, 20_000])
@pytest.mark.parametrize("name", PLANS)
async def test_what_a_worker_does_not_keep_it_asks_for(runs: Runs, name: str, cache: int | None) -> None:
    plan = PLANS[name]
    async with runs.worker(cache=cache) as watch:
        await runs.check(await runs.start(plan), plan)
    # A query that arrives during the eviction of its run is lost and repeated. So count calls, not queries.
    asked = {(query.agent, query.call) for query in watch.asked}
    if cache is None and name != "one handle":
        assert len(asked) == TOO_LARGE.get(name, 0)
    if cache == 0 and name != "one handle":  # all calls but each agent's first, which sends everything
        agents = plan.agents + (plan.scene in ("delegating", "in_turns"))
        first = agents if name not in ("large", "parallel") else 0
        assert len(asked) == len(runs.model.calls) - first


# --- Workers that come and go


@pytest.mark.slow
@pytest.mark.parametrize("agents", [10, 30])
async def test_parallel_calls_without_the_workflow_cache_all_ask(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, agents: int
) -> None:
    # Longer than one query takes on a busy machine, so a timeout means that the query was lost.
    monkeypatch.setattr(f"{ASKING}.RPC_TIMEOUT", timedelta(seconds=30))
    plan = Plan("parallel", [f"pad={LARGE} a", "b"], agents=agents)
    async with runs.worker(max_cached_workflows=0) as watch:
        await runs.check(await runs.start(plan), plan)
    assert len({asked.agent for asked in watch.asked}) == agents
    assert not watch.failed
    print(watch)  # noqa: T201


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", [name for name in PLANS if PLANS[name].agents == 1])
async def test_the_worker_restarts_between_any_two_calls(runs: Runs, name: str) -> None:
    plan = replace(PLANS[name], gated=True)
    handle = await runs.start(plan)
    watch, over, restarts = Watch(), False, 0
    while not over:
        async with runs.worker(watch):
            over = await asyncio.wait_for(handle.execute_update(Talk.advance), SOON)
        restarts += 1
    async with runs.worker():
        await runs.check(handle, plan)
    assert restarts >= len(runs.model.calls)
    assert len(watch.asked) >= len(runs.model.calls) - 2  # each agent's first call sends everything


@pytest.mark.parametrize(
    "cached", [None, pytest.param(1, marks=pytest.mark.slow), pytest.param(0, marks=pytest.mark.slow)]
)
async def test_calls_land_on_any_of_three_workers(server: DevServer, runs: Runs, cached: int | None) -> None:
    landed: dict[str, list[int]] = {}

    async def worker(number: int) -> Any:
        def script(call: ScriptedCall) -> Reply:
            landed.setdefault(str(call.system_prompt), []).append(number)
            return answer(call)

        model = ScriptedModel(script)
        model.calls = runs.model.calls
        options: dict[str, Any] = {} if cached is None else {"max_cached_workflows": cached}
        client = await Client.connect(server.address)  # workers of one queue do not share a connection
        # An eager activity would go to the workflow's worker.
        return runs.worker(model=model, client=client, disable_eager_activity_execution=True, **options)

    plans = [replace(PLANS[name], tag=f" of {name}") for name in PLANS]
    async with await worker(0), await worker(1), await worker(2):
        handles = [await runs.start(plan) for plan in plans]
        for handle, plan in zip(handles, plans, strict=True):
            await runs.check(handle, plan)
    assert {number for numbers in landed.values() for number in numbers} == {0, 1, 2}
    assert any(len(set(numbers)) > 1 for numbers in landed.values())


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["one", "large"])
async def test_a_call_under_way_is_made_again_on_another_worker(runs: Runs, name: str) -> None:
    plan = PLANS[name]
    under_way = asyncio.Event()

    async def never() -> None:
        under_way.set()
        await asyncio.Event().wait()

    def script(call: ScriptedCall) -> Reply:
        reply = answer(call)
        return reply if len(call.messages) < 3 else Reply(reply.events, wait_for=never)

    first = ScriptedModel(script)
    first.calls = runs.model.calls
    async with runs.worker(model=first):
        handle = await runs.start(plan)
        await asyncio.wait_for(under_way.wait(), SOON)
    async with runs.worker() as watch:
        await runs.check(handle, plan, retried=True)
    assert watch.asked[0].attempt > 1
    assert len(runs.model.calls) == 7


# --- Runs that continue in another run


@pytest.mark.sample(1)
@pytest.mark.parametrize("cache", [None, 0])
async def test_continue_as_new_begins_anew(runs: Runs, cache: int | None) -> None:
    plan = replace(PLANS["large"], hand_over=True, prompts=[*PLANS["large"].prompts, f"pad={LARGE} d", "e"])
    async with runs.worker(cache=cache):
        handle = await runs.start(plan)
        await runs.check(handle, plan)
        run_id, replayed = handle.first_execution_run_id, 0
        while run_id:
            history = await runs.client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
            await assert_replays(history, [Talk])
            end = history.events[-1]
            run_id = end.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
            replayed += 1
    assert replayed == len(plan.prompts)


async def reset(client: Client, handle: "WorkflowHandle[Any, Any]", task: int) -> "WorkflowHandle[Any, Any]":
    """Reset the first run to a workflow task, by number, and return the new run."""
    first = client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    history = await first.fetch_history()
    tasks = [
        event.event_id
        for event in history.events
        if event.HasField("workflow_task_completed_event_attributes")
    ]
    request = ResetWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(
            workflow_id=handle.id, run_id=handle.first_execution_run_id or ""
        ),
        reason="a test",
        workflow_task_finish_event_id=tasks[task],
        request_id=str(uuid.uuid4()),
    )
    answered = await client.workflow_service.reset_workflow_execution(request, retry=True)
    return client.get_workflow_handle(handle.id, run_id=answered.run_id)


@pytest.mark.sample(1)
@pytest.mark.parametrize("name", ["one", "large", "activities"])
async def test_a_reset_run_goes_on(runs: Runs, name: str) -> None:
    plan = PLANS[name]
    async with runs.worker():
        handle = await runs.start(plan)
        await runs.check(handle, plan)
        calls, end = await plainly(plan)
        for task in (1, 4):
            runs.model.calls.clear()
            again = await reset(runs.client, handle, task)
            assert await asyncio.wait_for(again.result(), SOON) == end
            made = told(runs.model.calls)
            assert 0 < len(made) < len(calls)
            assert_same(made, calls[len(calls) - len(made) :])
            await assert_replays(again, [Talk])


async def test_a_run_reset_in_the_midst_of_a_call_goes_on(runs: Runs) -> None:
    plan, release, under_way = PLANS["large"], asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        under_way.set()
        await release.wait()

    model = ScriptedModel(
        lambda call: Reply(answer(call).events, wait_for=wait if len(call.messages) > 3 else None)
    )
    async with runs.worker(model=model):
        handle = await runs.start(plan)
        await asyncio.wait_for(under_way.wait(), SOON)
        before = len(model.calls)
        again = await reset(runs.client, handle, 1)
        release.set()
        calls, end = await plainly(plan)
        assert await asyncio.wait_for(again.result(), SOON) == end
        assert_same(told(model.calls)[before:], calls[1:])
        await assert_replays(again, [Talk])


# --- Killed workers, and no workers


async def be_killed(address: str, queue: str) -> None:
    """Run a worker as a process: print the model's input, and never answer its third call."""

    def script(call: ScriptedCall) -> Reply:
        print("\t".join(told([call])[0]), flush=True)  # noqa: T201  # the test waits for this line
        return Reply(answer(call).events, wait_for=asyncio.Event().wait if len(call.messages) > 3 else None)

    runs = Runs(await Client.connect(address), {}, script)
    runs.queue = queue
    async with runs.worker():
        await asyncio.Event().wait()


@pytest.mark.slow  # test_cancel_workers.py kills a worker too
@pytest.mark.parametrize("name", ["one", "large"])
async def test_after_a_worker_was_killed_another_one_goes_on(
    server: DevServer, runs: Runs, name: str
) -> None:
    plan, given = PLANS[name], list[Told]()
    code = f"import asyncio, {__name__} as t; asyncio.run(t.be_killed({server.address!r}, {runs.queue!r}))"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdout=asyncio.subprocess.PIPE, cwd=Path.cwd(), limit=1 << 24
    )
    try:
        handle = await runs.start(plan)
        assert process.stdout is not None
        while len(given) < 3:
            line = await asyncio.wait_for(process.stdout.readline(), SOON)
            assert line, "the worker ended"
            given.append(Told(*line.decode().rstrip("\n").split("\t", 1)))
    finally:
        process.kill()
        await process.wait()
    async with runs.worker() as watch:
        await runs.check(handle, plan, retried=True, others=given)
    print(watch)  # noqa: T201
    assert watch.asked[0].attempt > 1


async def a_call(handle: "WorkflowHandle[Any, Any]") -> None:
    """Wait until a run has called its model."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("activity_task_scheduled_event_attributes"):
            return


@pytest.mark.sample(1)
@pytest.mark.parametrize("attempts", [0, 1])
async def test_a_call_waits_while_there_is_no_worker_for_workflows(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, attempts: int
) -> None:
    monkeypatch.setattr(f"{ASKING}.RPC_TIMEOUT", timedelta(seconds=0.3))
    monkeypatch.setattr(f"{ASKING}.ASK_FOR", timedelta(seconds=2))
    plan, long_enough = replace(PLANS["large"], attempts=attempts), asyncio.Event()

    async def before(asked: Asked) -> None:
        # An attempt repeats its query for two seconds, but an only attempt does so for longer.
        if asked.attempt > 2 or (attempts == 1 and len(watch.asked) > 3):
            long_enough.set()

    handle = await runs.start(plan)
    async with runs.worker(no_remote_activities=True, activities=[]):
        await asyncio.wait_for(a_call(handle), SOON)
    async with runs.worker(Watch(before), workflows=[]) as watch:
        await asyncio.wait_for(long_enough.wait(), SOON)
        assert not runs.model.calls
        async with runs.worker(no_remote_activities=True, activities=[]):
            await runs.check(handle, plan)
    print(watch)  # noqa: T201
    assert {asked.attempt for asked in watch.asked if asked.call == 1} == ({1} if attempts else {1, 2, 3})
