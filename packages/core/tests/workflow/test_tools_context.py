"""What an activity that serves as a tool knows of its call, and what it can do from there."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import Manager, get_context
from typing import Any, cast

import pytest
import strands
from conftest import Agents
from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.agent.agent_result import AgentResult
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from temporalio import activity, worker, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import CancelledError
from temporalio.worker import SharedStateManager

from strands_temporal import ComposablePlugin, StrandsPlugin, TemporalAgent
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.activity import ToolContext, ToolProgress, forward_progress, tool_context
from strands_temporal.testing import (
    MakeAgent,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    run_parity,
    say,
    use_tool,
    use_tools,
)

pytestmark = pytest.mark.server

ONCE = RetryPolicy(maximum_attempts=1)


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")


# --- Tool use, invocation state, agent state: as in a plain tool --------------------------------------------


def visit(context: Any, state: Any, place: str, forget: str | None) -> str:
    """What both tools do; `state` is the agent's state in the one, its copy in the other."""
    before = state.get()
    state.set(f"seen {place}", {"by": context.invocation_state.get("user"), "n": [1, "ü", None]})
    state.set("last", place)
    if forget:
        state.delete(forget)
    return f"{context.tool_use} {sorted(before)} {sorted(state.get())} {state.get('last')}"


@strands.tool(name="visit_place", context=True)
async def plain_visit(place: str, tool_context: StrandsToolContext, forget: str | None = None) -> str:
    """Visit a place."""
    return visit(tool_context, tool_context.agent.state, place, forget)


@activity.defn
async def visit_place(place: str, tool_context: ToolContext, forget: str | None = None) -> str:
    """Visit a place."""
    return visit(tool_context, tool_context.agent_state, place, forget)


@activity.defn(name="visit_place")
def visit_place_in_a_thread(place: str, tool_context: ToolContext, forget: str | None = None) -> str:
    """Visit a place."""
    return visit(tool_context, tool_context.agent_state, place, forget)


async def twice_and_tell_state(agent: Agent) -> AgentResult:
    await agent.invoke_async("go", invocation_state={"user": "eve"})
    await agent.invoke_async("go", invocation_state={"user": "bob"})
    # What the state is at the end is compared too: it becomes part of the conversation.
    return await agent.invoke_async(str(agent.state.get()))


@pytest.mark.parametrize("durable_visit", [visit_place, visit_place_in_a_thread], ids=["async", "thread"])
@pytest.mark.parametrize("executor", [ConcurrentToolExecutor(), SequentialToolExecutor()])
async def test_call_and_state_as_in_a_plain_tool(
    client: Client, durable_visit: Any, executor: Any, worker_options: dict[str, Any]
) -> None:
    def build(make: MakeAgent) -> Agent:
        name = {"name": "visit_place"}
        visits = activity_as_tool(durable_visit, **cast("Any", name)) if make.durable else plain_visit
        return make(tools=[visits], state={"old": 1, "kept": {"a": [1]}}, tool_executor=executor)

    parity = await run_parity(
        client,
        Scenario(
            script=lambda: ScriptedModel(
                use_tool("visit_place", {"place": "Bern", "forget": "old", "more": "x"}),
                echo,
                use_tool("visit_place", {"place": "Rome", "forget": "nothing"}, tool_use_id="second"),
                echo,
                echo,
            ),
            build=build,
            drive=twice_and_tell_state,
            activities=[durable_visit],
        ),
        **worker_options,
    )
    parity.assert_equal()
    text = parity.durable.text or ""
    assert "'seen Bern': {'by': 'eve', 'n': [1, 'ü', None]}" in text
    assert "'seen Rome'" in text
    assert "'old'" not in text


@pytest.mark.parametrize("wrong", [{"set": {1, 2}}, {1: "key"}], ids=["value", "key"])
async def test_state_refuses_what_strands_state_refuses(wrong: Any) -> None:
    state = ToolContext().agent_state
    key, value = ("k", wrong["set"]) if "set" in wrong else (1, "v")
    with pytest.raises(ValueError, match=r"JSON serializable|must be a string"):
        state.set(cast("str", key), value)
    assert state.patch() is None


# --- Two tools at once --------------------------------------------------------------------------------------

both = threading.Barrier(2)


@activity.defn
def change(key: str, tool_context: ToolContext) -> str:
    """Change one key, while another tool changes another."""
    before = tool_context.agent_state.get()
    both.wait(50)
    tool_context.agent_state.set(key, f"set by {key}")
    if key == "a":
        tool_context.agent_state.delete("gone")
    return f"saw {sorted(before)}"


@workflow.defn
class StateWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        tools = [activity_as_tool(change), activity_as_tool(changes_and_fails)]
        agent = TemporalAgent("m", tools=tools, state={"gone": 1}, callback_handler=None)
        await agent.invoke_async("go")
        return [agent.state.get(), agent.messages[2]["content"]]


async def test_two_tools_at_once_change_different_keys_and_both_win(agents: Agents) -> None:
    model = ScriptedModel(use_tools([("change", {"key": "a"}, "1"), ("change", {"key": "b"}, "2")]), echo)
    async with agents(workflows=[StateWorkflow], activities=[change], models={"m": lambda: model}) as env:
        state, results = await env.run(StateWorkflow.run)
    assert state == {"a": "set by a", "b": "set by b"}
    assert [r["toolResult"]["content"][0]["text"] for r in results] == ["saw ['gone']"] * 2


@activity.defn
async def changes_and_fails(fail_until: int, tool_context: ToolContext) -> str:
    """Change the state, and fail."""
    tool_context.agent_state.set(f"attempt {tool_context.attempt}", True)
    tool_context.agent_state.delete("gone")
    if tool_context.attempt < fail_until:
        raise RuntimeError("again")
    return "done"


@pytest.mark.parametrize(("fail_until", "expected"), [(2, {"attempt 2": True}), (9, {"gone": 1})])
async def test_what_a_failed_attempt_changed_is_dropped(
    agents: Agents, fail_until: int, expected: Any
) -> None:
    model = ScriptedModel(use_tool("changes_and_fails", {"fail_until": fail_until}), echo)
    async with agents(
        workflows=[StateWorkflow], activities=[changes_and_fails], models={"m": lambda: model}
    ) as env:
        state, _ = await env.run(StateWorkflow.run)
    assert state == expected


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
    """Say nothing for longer than the heartbeat time-out."""
    await asyncio.to_thread(finish.wait, 40)
    return f"ended at attempt {tool_context().attempt}"


@activity.defn
def quiet_in_a_thread() -> str:
    """Say nothing for longer than the heartbeat time-out."""
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
    """Let the quiet activities go on well after their heartbeat time-out of three seconds."""
    finish.clear()
    timer = threading.Timer(5, finish.set)
    timer.start()
    yield
    finish.set()
    timer.join()


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
    if how == "fail late":  # heartbeats of the worker's own come in between
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
    """A sibling that forwards progress, before or after core's plugin."""

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


# --- Without the parameter, and in a process pool -----------------------------------------------------------


@activity.defn
async def asks_header_only() -> str:
    """Use what is there without the parameter, and what is not."""
    context = tool_context()
    known = [context.tool_use, len(context.idempotency_key), context.attempt, context.cancel_signal.is_set()]
    refused: list[str] = []
    for use in (
        lambda: context.invocation_state,
        lambda: context.agent_state,
        lambda: context.interrupt("approval"),
    ):
        with pytest.raises(RuntimeError) as error:
            use()
        refused.append(str(error.value))
    assert all("Give the activity a parameter `tool_context: ToolContext`" in text for text in refused)
    return f"{known} {context!r}"


@workflow.defn
class HeaderOnlyWorkflow:
    @workflow.run
    async def run(self, name: str | None) -> str:
        tools = [activity_as_tool(asks_header_only, name=name), activity_as_tool(in_a_process)]
        agent = TemporalAgent("m", tools=tools, state={"a": 1}, callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@pytest.mark.parametrize("name", [None, "other"])
async def test_what_is_known_without_the_parameter(agents: Agents, name: str | None) -> None:
    called = name or "asks_header_only"
    model = ScriptedModel(use_tool(called, {}, tool_use_id="h1"), echo)
    async with agents(
        workflows=[HeaderOnlyWorkflow], activities=[asks_header_only], models={"m": lambda: model}
    ) as env:
        text = await env.run(HeaderOnlyWorkflow.run, name)
    use = {"toolUseId": "h1", "name": called}
    assert text == f"it said: [{use}, 32, 1, False] ToolContext(tool_use={use})"


@activity.defn
def in_a_process(tool_context: ToolContext) -> str:
    """Run in another process."""
    tool_context.report_progress("here")
    with pytest.raises(RuntimeError) as refused:
        tool_context.agent_state.set("b", 2)
    known = [len(tool_context.idempotency_key), tool_context.agent_state.get()]
    return f"{known} {tool_context.cancel_signal.is_set()} {refused.value}"


async def test_in_a_process_pool_the_state_can_be_read_and_not_changed(agents: Agents) -> None:
    model = ScriptedModel(use_tool("in_a_process", {}), echo)
    with (
        Manager() as manager,
        ThreadPoolExecutor(2) as poller,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        async with agents(
            workflows=[HeaderOnlyWorkflow],
            activities=[in_a_process],
            models={"m": lambda: model},
            activity_executor=pool,
            shared_state_manager=SharedStateManager.create_from_multiprocessing(manager, poller),
        ) as env:
            text = await env.run(HeaderOnlyWorkflow.run, None)
    assert text.startswith("it said: [32, {'a': 1}] False An activity in a process pool cannot change")
