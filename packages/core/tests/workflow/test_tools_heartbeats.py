"""Between an activity tool and its agent: cancel signal, heartbeats, progress."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.tool_scenes import echo
from temporalio import activity, worker, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError

from strands_temporal import ComposablePlugin, StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext, ToolProgress, forward_progress, tool_context
from strands_temporal.testing import ScriptedModel, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


# --- Cancel signal ------------------------------------------------------------------------------------------

started = asyncio.Event()
told = threading.Event()


async def waits(signal: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Wait in a thread of its own, as a blocking client does, until the signal is set."""
    assert isinstance(signal, threading.Event)
    assert not signal.is_set()
    assert not signal.wait(0.01)
    loop.call_soon(started.set)
    if await asyncio.to_thread(signal.wait, 60):
        told.set()


@activity.defn(name="long_work")
async def long_work_async(tool_context: ToolContext) -> str:
    """Work until told to stop."""
    work = asyncio.ensure_future(waits(tool_context.cancel_signal, asyncio.get_running_loop()))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await work
        raise
    return "never"


@activity.defn(name="long_work")
async def long_work_without_parameter() -> str:
    """Work until told to stop."""
    return await long_work_async(tool_context())


main_loop: list[asyncio.AbstractEventLoop] = []


@activity.defn(name="long_work", no_thread_cancel_exception=True)
def long_work_in_a_thread(tool_context: ToolContext) -> str:
    """Work until told to stop."""
    signal = tool_context.cancel_signal
    assert not signal.is_set()
    main_loop[0].call_soon_threadsafe(started.set)
    if signal.wait(60):
        told.set()
    return "stopped"


@workflow.defn
class LongWorkWorkflow:
    @workflow.run
    async def run(self) -> str:
        tool = activity_as_tool(long_work_async, heartbeat_timeout=timedelta(seconds=3))
        agent = TemporalAgent("m", tools=[tool, *without_context()], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


def without_context() -> list[Any]:
    return [
        activity_as_tool(
            long_work_without_parameter, name="bare_work", heartbeat_timeout=timedelta(seconds=3)
        )
    ]


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (long_work_async, "long_work_async"),
        (long_work_in_a_thread, "long_work_async"),
        (long_work_without_parameter, "bare_work"),
    ],
    ids=["async", "thread", "without parameter"],
)
async def test_a_cancelled_workflow_sets_the_signal_without_the_tools_own_heartbeats(
    agents: Agents, function: Any, name: str
) -> None:
    started.clear()
    told.clear()
    main_loop[:] = [asyncio.get_running_loop()]
    model = ScriptedModel(use_tool(name, {}), echo)
    async with agents(
        workflows=[LongWorkWorkflow], activities=[function], models={"m": lambda: model}
    ) as env:
        handle = await env.start(LongWorkWorkflow.run)
        await asyncio.wait_for(started.wait(), 50)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 50)
        assert isinstance(failure.value.cause, CancelledError)
        assert await asyncio.to_thread(told.wait, 50)
        await env.assert_replays(handle)


# --- Heartbeats ---------------------------------------------------------------------------------------------

finish = threading.Event()


@activity.defn
async def quiet_async() -> str:
    """Say nothing for longer than the heartbeat timeout."""
    await asyncio.to_thread(finish.wait, 40)
    return f"ended at attempt {tool_context().attempt}"


@activity.defn
def quiet_in_a_thread() -> str:
    """Say nothing for longer than the heartbeat timeout."""
    finish.wait(30)
    return f"ended at attempt {tool_context().attempt}"


@activity.defn
async def stops_beating() -> str:
    """Heartbeat once, and hang."""
    activity.heartbeat("half")
    if tool_context().attempt > 1:
        return f"after {activity.info().heartbeat_details}"
    await asyncio.to_thread(finish.wait, 40)
    return "never"


@workflow.defn
class HeartbeatWorkflow:
    @workflow.run
    async def run(self, seconds: float | None) -> str:
        options: Any = {} if seconds is None else {"heartbeat_timeout": timedelta(seconds=seconds)}
        tools = [
            activity_as_tool(function, **options)
            for function in (quiet_async, quiet_in_a_thread, stops_beating, reports)
        ]
        agent = TemporalAgent("m", tools=tools, callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


HEARTBEATERS = [quiet_async, quiet_in_a_thread, stops_beating]


@pytest.fixture
def _finish_later() -> Iterator[None]:
    """Keep the quiet activities running well beyond their heartbeat timeout of three seconds."""
    finish.clear()
    timer = threading.Timer(5, finish.set)
    timer.start()
    yield
    finish.set()
    timer.join()


@pytest.mark.sample(1)
@pytest.mark.usefixtures("_finish_later")
@pytest.mark.parametrize("name", ["quiet_async", "quiet_in_a_thread"])
async def test_the_worker_heartbeats_for_the_activity(agents: Agents, name: str) -> None:
    model = ScriptedModel(use_tool(name, {}), echo)
    async with agents(
        workflows=[HeartbeatWorkflow], activities=HEARTBEATERS, models={"m": lambda: model}
    ) as env:
        assert await env.run(HeartbeatWorkflow.run, 3.0) == "it said: ended at attempt 1"


async def test_an_activity_whose_own_heartbeats_stop_is_tried_again_with_its_details(agents: Agents) -> None:
    finish.clear()
    model = ScriptedModel(use_tool("stops_beating", {}), echo)
    try:
        async with agents(
            workflows=[HeartbeatWorkflow], activities=HEARTBEATERS, models={"m": lambda: model}
        ) as env:
            assert await env.run(HeartbeatWorkflow.run, 3.0) == "it said: after ['half']"
            finish.set()
    finally:
        finish.set()


async def scheduled_heartbeat(env: Any, name: str) -> float:
    history = await env.handles[-1].fetch_history()
    (attributes,) = (
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == name
    )
    return attributes.heartbeat_timeout.ToTimedelta().total_seconds()


async def test_a_tool_has_a_heartbeat_time_out_by_default(agents: Agents) -> None:
    finish.set()
    model = ScriptedModel(use_tool("quiet_async", {}), echo)
    async with agents(
        workflows=[HeartbeatWorkflow], activities=HEARTBEATERS, models={"m": lambda: model}
    ) as env:
        await env.run(HeartbeatWorkflow.run, None)
        assert await scheduled_heartbeat(env, "quiet_async") == 15


@workflow.defn
class ElsewhereWorkflow:
    @workflow.run
    async def run(self, queue: str) -> str:
        agent = TemporalAgent("m", tools=[activity_as_tool(foreign, task_queue=queue)], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@dataclass
class Found:
    word: str
    ü: int = 1


@activity.defn
async def foreign(word: str) -> Found:
    """Run on a worker that knows nothing of this package."""
    return Found(word)


async def test_a_worker_without_the_plugin_elsewhere_answers_too(agents: Agents, client: Client) -> None:
    model = ScriptedModel(use_tool("foreign", {"word": "a"}), echo)
    queue = "foreign-queue"
    async with (
        agents(workflows=[ElsewhereWorkflow], models={"m": lambda: model}) as env,
        worker.Worker(client, task_queue=queue, activities=[foreign]),
    ):
        assert await env.run(ElsewhereWorkflow.run, queue) == "it said: Found(word='a', ü=1)"
        assert await scheduled_heartbeat(env, "foreign") == 0


# --- Progress -----------------------------------------------------------------------------------------------

heard: list[ToolProgress] = []


@activity.defn
async def reports(how: str) -> str:
    """Report progress."""
    context = tool_context()
    if context.attempt > 1:
        return f"went on from {activity.info().heartbeat_details}"
    context.report_progress({"done": 1, "picture": b"\xff"})
    if how == "thread":
        await asyncio.to_thread(context.report_progress, "half")
    if how == "wrong":
        context.report_progress(object())
    if how == "fail late":  # the worker's own heartbeats come in between
        await asyncio.to_thread(threading.Event().wait, 1.5)
    if how.startswith("fail"):
        raise RuntimeError("on with it")
    return "reported"


@activity.defn(name="reports")
def reports_in_a_thread(how: str) -> str:
    """Report progress."""
    context = tool_context()
    context.report_progress({"done": 1, "picture": b"\xff"})
    context.report_progress("half")
    return f"reported {how}"


class Listening(ComposablePlugin):
    """A sibling plugin that forwards progress, before or after core's plugin."""

    def __init__(self) -> None:
        super().__init__("test.Listening", interceptors=[_Listen()])


class _Listen(worker.Interceptor):
    def intercept_activity(
        self, next: worker.ActivityInboundInterceptor
    ) -> worker.ActivityInboundInterceptor:
        return _Listener(next)


class _Listener(worker.ActivityInboundInterceptor):
    async def execute_activity(self, input: worker.ExecuteActivityInput) -> Any:
        loop = asyncio.get_running_loop()

        def hear(progress: ToolProgress) -> None:
            assert asyncio.get_running_loop() is loop
            heard.append(progress)
            raise ZeroDivisionError("a listener's own trouble stays its own")

        with forward_progress(hear):
            return await self.next.execute_activity(input)


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize(
    ("function", "how"), [(reports, "thread"), (reports_in_a_thread, "here")], ids=["async", "thread"]
)
async def test_progress_goes_to_who_listens(agents: Agents, first: bool, function: Any, how: str) -> None:
    heard.clear()
    model = ScriptedModel(use_tool("reports", {"how": how}, tool_use_id="r1"), echo)
    core = StrandsPlugin(models={"m": lambda: model})
    plugins = [Listening(), core] if first else [core, Listening()]
    async with agents(workflows=[HeartbeatWorkflow], activities=[function], plugins=plugins) as env:
        assert "reported" in await env.run(HeartbeatWorkflow.run, None)
    assert heard == [
        ToolProgress("r1", "reports", {"done": 1, "picture": b"\xff"}, attempt=1, number=0),
        ToolProgress("r1", "reports", "half", attempt=1, number=1),
    ]


@pytest.mark.parametrize("how", ["fail", "fail late"])
async def test_the_last_progress_is_there_for_the_next_attempt(agents: Agents, how: str) -> None:
    model = ScriptedModel(use_tool("reports", {"how": how}), echo)
    async with agents(
        workflows=[HeartbeatWorkflow], activities=[reports], models={"m": lambda: model}
    ) as env:
        text = await env.run(HeartbeatWorkflow.run, 1.0)
    assert text == "it said: went on from [{'done': 1, 'picture': {'$b64': '/w=='}}]"


async def test_progress_that_cannot_cross_is_refused_where_it_is_reported(agents: Agents) -> None:
    model = ScriptedModel(use_tool("reports", {"how": "wrong"}), echo)
    async with agents(
        workflows=[HeartbeatWorkflow], activities=[reports], models={"m": lambda: model}
    ) as env:
        text = await env.run(HeartbeatWorkflow.run, None)
    assert "went on from" in text  # the first attempt raised TypeError; its progress before that was kept
