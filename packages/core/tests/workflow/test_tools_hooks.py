"""`activity_as_hook(apply=...)`: an activity decides, and `apply` writes its decision to the event."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.tool_hook_scenes import (
    ACTIVITIES,
    Verdict,
    again,
    again_activity,
    cancel_unless_allowed,
    drop,
    judge,
    judge_activity,
    ran,
    table_of,
)
from packages.core.tests.workflow.tool_hook_scenes import nothing_ran as nothing_ran
from packages.core.tests.workflow.tool_scenes import echo
from strands import Agent, tool
from strands.hooks import (
    AfterModelCallEvent,
    AfterToolCallEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError

from strands_temporal import TemporalAgent
from strands_temporal.testing import AgentFactory, Scenario, ScriptedModel, prompts, run_parity, say, use_tool
from strands_temporal.workflow import activity_as_hook, activity_as_tool

pytestmark = pytest.mark.server


@tool(name="drop")
async def plain_drop(table: str) -> str:
    """Drop a table."""
    ran.append(table)
    return f"dropped {table}, {len(ran)}"


class Hooks(HookProvider):
    """One hook: an activity in a workflow, the same function in a plain agent."""

    def __init__(
        self, make: AgentFactory, event_type: Any, decide: Any, question: Callable[[Any], Any], apply: Any
    ) -> None:
        async def in_place(event: Any) -> None:
            applied = apply(event, await decide(question(event)))
            if applied is not None:
                await applied

        functions = {judge: judge_activity, again: again_activity}
        self.callback = (
            activity_as_hook(functions[decide], activity_input=question, apply=apply)
            if make.durable
            else in_place
        )
        self.event_type = event_type

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(self.event_type, self.callback)


async def cancel_later(event: BeforeToolCallEvent[Any], verdict: Verdict) -> None:
    cancel_unless_allowed(event, verdict)


def write_result(event: AfterToolCallEvent[Any], verdict: Verdict) -> None:
    event.result = {**event.result, "content": [{"text": f"{verdict.allowed}: {verdict.why}"}]}


def retry_tool(event: AfterToolCallEvent[Any], wanted: bool) -> None:
    event.retry = wanted


def result_text(event: AfterToolCallEvent[Any]) -> str:
    return event.result["content"][0].get("text", "")


def last_text(event: Any) -> str:
    return event.agent.messages[-1]["content"][0].get("text", "")


def stop_text(event: AfterModelCallEvent) -> str:
    return event.stop_response.message["content"][0].get("text", "") if event.stop_response else ""


def retry_model(event: AfterModelCallEvent, wanted: bool) -> None:
    event.retry = wanted


def cancel_model(event: BeforeModelCallEvent, wanted: bool) -> None:
    if wanted:
        event.cancel = "not this model"


CASES: dict[str, tuple[Any, Any, Any, Any, list[Any], str]] = {
    "cancel a tool": (
        BeforeToolCallEvent,
        judge,
        table_of,
        cancel_unless_allowed,
        [use_tool("drop", {"table": "users"}), echo],
        "it said: users is precious",
    ),
    "cancel later": (
        BeforeToolCallEvent,
        judge,
        table_of,
        cancel_later,
        [use_tool("drop", {"table": "users"}), echo],
        "it said: users is precious",
    ),
    "allow a tool": (
        BeforeToolCallEvent,
        judge,
        table_of,
        cancel_unless_allowed,
        [use_tool("drop", {"table": "logs"}), echo],
        "it said: dropped logs, 1",
    ),
    "write a result": (
        AfterToolCallEvent,
        judge,
        table_of,
        write_result,
        [use_tool("drop", {"table": "users"}), echo],
        "it said: False: users is precious",
    ),
    "retry a tool": (
        AfterToolCallEvent,
        again,
        result_text,
        retry_tool,
        [use_tool("drop", {"table": "logs"}), echo],
        "it said: dropped logs, 2",
    ),
    "retry a model": (
        AfterModelCallEvent,
        again,
        stop_text,
        retry_model,
        [say("take 1"), say("take 2")],
        "take 2",
    ),
    "cancel a model": (
        BeforeModelCallEvent,
        again,
        last_text,
        cancel_model,
        [say("never")],
        "not this model",
    ),
}


@pytest.mark.parametrize("executor", [ConcurrentToolExecutor(), SequentialToolExecutor()])
@pytest.mark.parametrize("case", CASES)
async def test_as_a_plain_hook_that_decides_in_place(
    client: Client, case: str, executor: Any, worker_options: dict[str, Any]
) -> None:
    event_type, decide, question, apply, steps, expected = CASES[case]

    def script() -> ScriptedModel:
        ran.clear()  # once for each of the two runs, not at a replay
        return ScriptedModel(*steps)

    def build(make: AgentFactory) -> Agent:
        return make(
            tools=[activity_as_tool(drop) if make.durable else plain_drop],
            hooks=[Hooks(make, event_type, decide, question, apply)],
            tool_executor=executor,
        )

    parity = await run_parity(
        client,
        Scenario(
            script=script,
            build=build,
            drive=prompts("go 1" if case == "cancel a model" else "go"),
            activities=ACTIVITIES,
        ),
        **worker_options,
    )
    parity.assert_equal()
    assert (parity.durable.text or "").strip() == expected
    if case.startswith("cancel"):
        assert ran == []


finish = threading.Event()
attempts: list[int] = []
told = threading.Event()


@activity.defn
async def quiet_async() -> None:
    """Say nothing for longer than the heartbeat timeout."""
    attempts.append(activity.info().attempt)
    try:
        await asyncio.to_thread(finish.wait, 30)
    except asyncio.CancelledError:
        told.set()
        raise


@activity.defn
def quiet_in_a_thread() -> None:
    """Say nothing for longer than the heartbeat timeout."""
    attempts.append(activity.info().attempt)
    finish.wait(30)


QUIET: dict[str, Any] = {"quiet_async": quiet_async, "quiet_in_a_thread": quiet_in_a_thread}


@workflow.defn
class QuietHook:
    @workflow.run
    async def run(self, name: str, options: dict[str, float]) -> str:
        chosen: Any = {key: timedelta(seconds=value) for key, value in options.items() if key != "queue"}
        if "queue" in options:
            chosen["task_queue"] = workflow.info().task_queue
        agent = TemporalAgent("m", callback_handler=None)
        agent.add_hook(activity_as_hook(QUIET[name], **chosen), BeforeModelCallEvent)
        return str(await agent.invoke_async("go")).strip()


@pytest.fixture
def _fresh_quiet() -> Iterator[None]:
    finish.clear()
    told.clear()
    attempts.clear()
    yield
    finish.set()


@pytest.mark.sample(1)
@pytest.mark.usefixtures("_fresh_quiet")
@pytest.mark.parametrize("name", list(QUIET))
async def test_the_worker_heartbeats_for_a_hook(agents: Agents, name: str) -> None:
    model = ScriptedModel(say("done"))
    timer = threading.Timer(5, finish.set)
    timer.start()
    async with agents(
        workflows=[QuietHook], activities=list(QUIET.values()), models={"m": lambda: model}
    ) as env:
        assert await env.run(QuietHook.run, name, {"heartbeat_timeout": 2}) == "done"
    timer.join()
    assert attempts == [1]


@pytest.mark.usefixtures("_fresh_quiet")
async def test_a_cancelled_workflow_stops_a_hooks_activity(agents: Agents) -> None:
    model = ScriptedModel(say("never"))
    async with agents(workflows=[QuietHook], activities=[quiet_async], models={"m": lambda: model}) as env:
        handle = await env.start(QuietHook.run, "quiet_async", {"heartbeat_timeout": 2})
        while not attempts:  # noqa: ASYNC110  # set by an activity of this loop
            await asyncio.sleep(0.02)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        assert await asyncio.to_thread(told.wait, 20)
        finish.set()
        await env.assert_replays(handle)


@pytest.mark.usefixtures("_fresh_quiet")
@pytest.mark.parametrize(("given", "seconds"), [({}, 15), ({"queue": 1}, 0), ({"heartbeat_timeout": 4}, 4)])
async def test_the_heartbeat_time_out_of_a_hook(
    agents: Agents, given: dict[str, float], seconds: float
) -> None:
    finish.set()
    model = ScriptedModel(say("done"))
    async with agents(workflows=[QuietHook], activities=[quiet_async], models={"m": lambda: model}) as env:
        await env.run(QuietHook.run, "quiet_async", given)
        history = await env.handles[0].fetch_history()
    (scheduled,) = (
        event.activity_task_scheduled_event_attributes
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "quiet_async"
    )
    assert scheduled.heartbeat_timeout.ToTimedelta().total_seconds() == seconds
