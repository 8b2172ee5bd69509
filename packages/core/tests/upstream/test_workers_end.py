"""A worker that ends tears down every workflow, and gives running activities time to end."""

import asyncio
import contextlib
import gc
import logging
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from packages.core.tests.upstream.workers_end_scenes import (
    ACTIVITIES,
    SOON,
    BusyUnsandboxed,
    cut,
    let_go,
    scripts,
    until,
    waiting,
)
from packages.core.tests.upstream.workers_end_scenes import fresh as fresh
from packages.core.tests.upstream.workers_end_scenes import no_collection_by_itself as no_collection_by_itself
from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import (
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from typing_extensions import override

from strands_temporal import ComposablePlugin, StrandsPlugin
from strands_temporal._upstream import eviction
from strands_temporal.testing import assert_replays

# --- Any workflow, any of our plugins, any kind of end

LEFT: list[tuple[str, str | None]] = []
hold = threading.Event()


@workflow.defn(sandboxed=False)
class Waits:
    """Notes where its `finally` runs. It may resist its end."""

    def __init__(self) -> None:
        self.begun = False

    @workflow.run
    async def run(self, how: str) -> None:
        self.begun = True
        try:
            await workflow.wait_condition(lambda: False)
        finally:
            LEFT.append((workflow.info().workflow_id if workflow.in_workflow() else "nowhere", how))
            if how == "blocks":
                hold.wait(SOON)
            while how == "stays":
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.get_running_loop().create_future()

    @workflow.query
    def is_begun(self) -> bool:
        return self.begun


@asynccontextmanager
async def waiting_worker(client: Client, **options: Any) -> AsyncGenerator[tuple[Worker, str]]:
    queue = f"waits-{uuid.uuid4()}"
    options.setdefault("plugins", [ComposablePlugin("test")])
    worker = Worker(client, task_queue=queue, workflows=[Waits], **options)
    async with worker:
        yield worker, queue


async def start(client: Client, queue: str, how: str = "") -> "WorkflowHandle[Any, Any]":
    handle = await client.start_workflow(
        Waits.run,
        how,
        id=f"{queue}-{how}-{uuid.uuid4()}",
        task_queue=queue,
        execution_timeout=timedelta(minutes=1),
    )
    assert await handle.query(Waits.is_begun)
    return handle


@pytest.fixture(autouse=True)
def nothing_left() -> Generator[None]:
    LEFT.clear()
    hold.clear()
    yield
    hold.set()


@pytest.mark.server
async def test_a_plain_workflow_is_torn_down_in_itself_when_the_worker_ends(client: Client) -> None:
    async with waiting_worker(client) as (_, queue):
        handles = [await start(client, queue) for _ in range(3)]
        assert LEFT == []
    assert sorted(LEFT) == sorted((handle.id, "") for handle in handles)
    gc.collect()
    assert len(LEFT) == 3


@pytest.mark.server
@pytest.mark.parametrize("how", ["run and shutdown", "cancelled"])
async def test_a_worker_that_is_not_a_context_manager(client: Client, how: str) -> None:
    worker = Worker(
        client, task_queue=f"waits-{uuid.uuid4()}", workflows=[Waits], plugins=[ComposablePlugin("test")]
    )
    running = asyncio.create_task(worker.run())
    handle = await start(client, worker.task_queue)
    if how == "cancelled":
        running.cancel()
        await asyncio.wait([running], timeout=SOON)
        assert running.cancelled()
    else:
        await worker.shutdown()
        await asyncio.wait_for(running, SOON)
    assert [(handle.id, "")] == LEFT


@pytest.mark.server
@pytest.mark.parametrize("second_from", ["the same plugin", "the first one's active configuration"])
async def test_the_end_of_one_worker_leaves_another_ones_workflows_alone(
    client: Client, second_from: str
) -> None:
    plugin = ComposablePlugin("test")
    async with waiting_worker(client, plugins=[plugin]) as (first, queue):
        if second_from == "the same plugin":
            second = Worker(client, task_queue=queue + "-2", workflows=[Waits], plugins=[plugin])
        else:
            config = first.config(active_config=True)
            config["task_queue"] = queue + "-2"
            second = Worker(**config)
        stays = await start(client, queue)
        async with second:
            goes = await start(client, queue + "-2")
        assert [(goes.id, "")] == LEFT
        assert await stays.query(Waits.is_begun)
    assert [(goes.id, ""), (stays.id, "")] == LEFT


@pytest.mark.server
@pytest.mark.parametrize(("how", "said"), [("blocks", "does not end"), ("stays", "could not be evicted")])
async def test_a_workflow_that_will_not_end_holds_up_nobody(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, how: str, said: str
) -> None:
    monkeypatch.setattr(eviction, "_SECONDS", 0.5)
    async with waiting_worker(client) as (_, queue):
        will_not = await start(client, queue, how)
        will = await start(client, queue)
        caplog.set_level(logging.ERROR, "strands_temporal")
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert (will.id, "") in LEFT
    [message] = [record.getMessage() for record in caplog.records if record.name == eviction.__name__]
    assert will_not.id in message
    assert said in message


def test_an_instance_is_forgotten_when_it_is_evicted_by_temporalio() -> None:
    cached = eviction.CachedWorkflows(DataConverter.default)
    instance = _Instance()
    cached.add(instance)
    assert instance.activate(WorkflowActivation(run_id="r")) == "done"
    assert len(cached) == 1
    job = WorkflowActivationJob(remove_from_cache=RemoveFromCache())
    assert instance.activate(WorkflowActivation(run_id="r", jobs=[job])) == "done"
    assert len(cached) == 0


class _Instance(WorkflowInstance):
    @override
    def activate(self, act: Any) -> Any:
        return "done"

    @override
    def get_serialization_context(self, command_info: Any) -> Any: ...
    @override
    def get_external_store_context(self, command_info: Any) -> Any: ...
    @override
    def get_info(self) -> Any: ...


class OwnSandbox(SandboxedWorkflowRunner):
    """A user's own sandbox."""

    made = 0

    @override
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        type(self).made += 1
        return super().create_instance(det)


class OwnRunner(WorkflowRunner):
    """A user's own runner, not a sandboxed one."""

    def __init__(self) -> None:
        self._inner = UnsandboxedWorkflowRunner()
        self.made = 0

    @override
    def prepare_workflow(self, defn: Any) -> None:
        self._inner.prepare_workflow(defn)

    @override
    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        self.made += 1
        return self._inner.create_instance(det)


@pytest.mark.parametrize(
    "runner", [SandboxedWorkflowRunner(), OwnSandbox(), UnsandboxedWorkflowRunner(), OwnRunner()]
)
def test_a_runner_that_is_tracked_stays_what_it_is(runner: WorkflowRunner) -> None:
    tracked = eviction.tracked(runner)
    assert tracked is not runner
    assert isinstance(tracked, type(runner))
    assert vars(tracked) == vars(runner)
    assert eviction.tracked(tracked) is tracked
    if isinstance(tracked, SandboxedWorkflowRunner):
        restrictions = SandboxRestrictions.default.with_passthrough_modules("x")
        changed = replace(tracked, restrictions=restrictions)  # as other plugins do
        assert type(changed) is type(tracked)
        assert changed.restrictions is restrictions


@pytest.mark.server
async def test_a_users_own_runner_is_used_and_tracked(client: Client) -> None:
    async with waiting_worker(client, unsandboxed_workflow_runner=OwnRunner(), debug_mode=True) as (
        worker,
        queue,
    ):
        handle = await start(client, queue)
        used = worker.config(active_config=True).get("unsandboxed_workflow_runner")
        assert isinstance(used, OwnRunner)
        assert used.made
    assert [(handle.id, "")] == LEFT


# --- Work under way when a worker ends


@pytest.mark.server
@pytest.mark.parametrize("given", [None, timedelta(microseconds=1), timedelta(seconds=7)])
async def test_the_time_that_calls_get_to_end(client: Client, given: timedelta | None) -> None:
    options: dict[str, Any] = {} if given is None else {"graceful_shutdown_timeout": given}
    worker = Worker(
        client,
        task_queue=f"never-{uuid.uuid4()}",
        workflows=[Waits],
        plugins=[ComposablePlugin("a")],
        **options,
    )
    chosen = worker.config(active_config=True).get("graceful_shutdown_timeout")
    assert chosen == (given or timedelta(seconds=20))


@pytest.mark.server
@pytest.mark.parametrize("of", ["a model call", "a tool"])
async def test_a_call_under_way_is_made_once_when_the_worker_ends(client: Client, of: str) -> None:
    queue = f"ends-{uuid.uuid4()}"
    plugin = StrandsPlugin(models=scripts())
    connected = Client(client.service_client, plugins=[plugin])
    workflows = [BusyUnsandboxed]
    worker = Worker(connected, task_queue=queue, workflows=workflows, activities=ACTIVITIES)
    async with worker:
        handle = await connected.start_workflow(
            BusyUnsandboxed.run, of, id=queue, task_queue=queue, execution_timeout=timedelta(minutes=1)
        )
        await asyncio.wait_for(until(1), SOON)
        ending = asyncio.create_task(worker.shutdown())
        with contextlib.suppress(asyncio.TimeoutError):  # a worker that does not wait cancels the call here
            await asyncio.wait_for(cut.wait(), 1)
        let_go.set()
        await asyncio.wait_for(ending, SOON)
    waiting.clear()
    async with Worker(connected, task_queue=queue, workflows=workflows, activities=ACTIVITIES):
        assert await asyncio.wait_for(handle.result(), SOON) == "end_turn"
    history = await handle.fetch_history()
    started = [
        e.activity_task_started_event_attributes.attempt
        for e in history.events
        if e.HasField("activity_task_started_event_attributes")
    ]
    assert set(started) == {1}
    await assert_replays(history, workflows, plugins=[plugin])
