"""Workers and Replayers that end: what they leave is evicted, and does nothing anywhere afterwards."""

import asyncio
import contextlib
import gc
import inspect
import logging
import threading
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from conftest import Agents
from strands import Agent, tool
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterNodeCallEvent,
    AfterToolCallEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.multiagent import GraphBuilder, Swarm
from strands.tools.executors import SequentialToolExecutor
from temporalio import activity, workflow
from temporalio.bridge.proto.workflow_activation import (
    RemoveFromCache,
    WorkflowActivation,
    WorkflowActivationJob,
)
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import (
    Replayer,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from typing_extensions import override

from strands_temporal import ComposablePlugin, StrandsPlugin, TemporalAgent
from strands_temporal._upstream import background, eviction
from strands_temporal._upstream.teardown import check_not_torn_down, watch_collector
from strands_temporal._workflow.activity_hook import activity_as_hook
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.testing import ScriptedCall, ScriptedModel, assert_replays, say, use_tool, use_tools
from strands_temporal.workflow import execute_activity

SOON = 30
LONG: Any = {"start_to_close_timeout": timedelta(minutes=5)}


@pytest.fixture(autouse=True)
def no_collection_by_itself() -> Generator[None]:
    """Collect garbage only where a test says so, and only its own: a workflow task has two seconds for it."""
    collects = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    if collects:
        gc.enable()


# --- Agents of all kinds, in the middle of a call that does not end


HOOKS: list[tuple[str, str | None]] = []
"""Hooks that were called, each with the workflow that was current."""

waiting: list[str] = []
"""Names of the calls that wait for the test."""

let_go = asyncio.Event()

cut = asyncio.Event()
"""A call that waits for the test was cancelled."""


@activity.defn
async def audit(what: str) -> None:
    if what == "wait":
        await wait_for_the_test("hook")


@activity.defn
async def stuck(name: str) -> str:
    """Wait for the test."""
    await wait_for_the_test(name)
    return f"{name} done"


async def wait_for_the_test(name: str) -> None:
    if not let_go.is_set():
        waiting.append(name)
        try:
            await let_go.wait()
        except asyncio.CancelledError:
            cut.set()
            raise


@tool
async def nested(name: str) -> str:
    """Ask another agent."""
    result = await TemporalAgent(
        "asks one", callback_handler=None, tools=[STUCK], hooks=[Watch()]
    ).invoke_async(name)
    return str(result)


class Watch(HookProvider):
    """Notes each hook, and has an activity run at each."""

    def __init__(self, wait: bool = False) -> None:
        self._wait = wait

    @override
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        report = activity_as_hook(audit, activity_input=self._what, **LONG)
        for event in (AfterToolCallEvent, AfterModelCallEvent, AfterInvocationEvent, BeforeToolCallEvent):
            for callback in (self._note, report, self._note):  # some events call them in the other order
                registry.add_callback(event, callback)

    def _note(self, event: Any) -> None:
        HOOKS.append((type(event).__name__, current()))

    def _what(self, event: Any) -> str:
        self._note(event)
        return "wait" if self._wait and isinstance(event, BeforeToolCallEvent) else "note"


class WatchNodes(HookProvider):
    """The same for the nodes of a graph or a swarm."""

    @override
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        report: Any = activity_as_hook(audit, activity_input=lambda _: "node", **LONG)
        for callback in (self._note, report, self._note):
            registry.add_callback(AfterNodeCallEvent, callback)

    def _note(self, event: AfterNodeCallEvent) -> None:
        HOOKS.append((type(event).__name__, current()))


def current() -> str | None:
    return workflow.info().workflow_type if workflow.in_workflow() else None


def scripts() -> dict[str, Callable[[], ScriptedModel]]:
    def asks(*steps: Any) -> Callable[[], ScriptedModel]:
        def script(call: ScriptedCall) -> Any:
            answered = sum("toolResult" in block for m in call.messages for block in m["content"])
            return steps[0] if not answered else say(call.text)

        return lambda: ScriptedModel(script)

    two = use_tools([("stuck", {"name": name}, name) for name in ("a", "b")])
    return {
        "asks one": asks(use_tool("stuck", {"name": "a"})),
        "asks two": asks(two),
        "asks an agent": asks(use_tool("nested", {"name": "inner"})),
        "never": lambda: ScriptedModel(lambda _: say("said").when(lambda: wait_for_the_test("model"))),
    }


STUCK = activity_as_tool(stuck, **LONG)


def agent(model: str, **options: Any) -> Agent:
    options.setdefault("tools", [STUCK, nested])
    options.setdefault("hooks", [Watch()])
    return TemporalAgent(model, callback_handler=None, **options)


def graph() -> Any:
    builder = GraphBuilder()
    for name in ("a", "b"):
        builder.add_node(agent("asks one", name=name), name)
    builder.set_max_node_executions(5)
    builder.set_hook_providers([WatchNodes()])
    return builder.build()


BUILD: dict[str, tuple[Callable[[], Any], int]] = {
    "a model call": (lambda: agent("never"), 1),
    "a tool": (lambda: agent("asks one"), 1),
    "tools at once": (lambda: agent("asks two"), 2),
    "tools in turn": (lambda: agent("asks two", tool_executor=SequentialToolExecutor()), 1),
    "a hook": (lambda: agent("asks one", hooks=[Watch(wait=True)]), 1),
    "a sub-agent": (lambda: agent("asks an agent"), 1),
    "a graph": (graph, 2),
    "a swarm": (lambda: Swarm([agent("asks one", name="one")], hooks=[WatchNodes()]), 1),
}
"""Who is in the middle of what, and how many calls wait."""


class Busy:
    async def run(self, case: str) -> str:
        result = await BUILD[case][0]().invoke_async("go")
        return str(getattr(result, "stop_reason", None) or result.status.value)


@workflow.defn(name="Busy", sandboxed=False)
class BusyUnsandboxed(Busy):
    @workflow.run
    @override
    async def run(self, case: str) -> str:
        return await super().run(case)


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


ACTIVITIES: list[Callable[..., Any]] = [stuck, audit]


@pytest.fixture(autouse=True)
def fresh() -> None:
    HOOKS.clear()
    waiting.clear()
    let_go.clear()
    cut.clear()


async def until(count: int) -> None:
    while len(waiting) < count:  # noqa: ASYNC110  # what arrives comes from activities of this loop
        await asyncio.sleep(0.02)


async def activities_of(handle: "WorkflowHandle[Any, Any]") -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


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
    """The cache has place for one of four agents, each of which waits twice."""
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
                break  # the second is under way
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
    """temporalio warns of that option: it leaves each evicted workflow to the garbage collector."""
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
    """Has something to do in a `finally`, which runs while the workflow is torn down."""

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
    """Is in a cycle, so that only the garbage collector ends it."""

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
    _Cycle(seen).itself = None  # pyright: ignore[reportAttributeAccessIssue]  # ends by its count of references
    assert seen == ["torn down", "alive"]


def test_a_background_call_that_is_not_started_leaves_no_warning() -> None:
    async def call() -> None: ...

    watch_collector()
    made = call()
    seen = list[str]()
    _Cycle(seen, lambda: background.start(made))
    gc.collect()
    assert seen == ["torn down"]
    assert inspect.getcoroutinestate(made) == inspect.CORO_CLOSED


# --- Any workflow, any of our plugins, any way to end


LEFT: list[tuple[str, str | None]] = []
hold = threading.Event()


@workflow.defn(sandboxed=False)
class Waits:
    """Notes where its `finally` runs; may not want to end."""

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
    cached = eviction.CachedWorkflows()
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
    """A user's own runner, of another kind."""

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


# --- What is under way when a worker ends


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
