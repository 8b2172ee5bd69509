"""`activity_as_hook(apply=...)`: an activity decides, the event does as it says, and a guard fails closed."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
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
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal._workflow.activity_hook import activity_as_hook
from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.testing import (
    MakeAgent,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    prompts,
    run_parity,
    say,
    use_tool,
    use_tools,
)

pytestmark = pytest.mark.server

ONCE = RetryPolicy(maximum_attempts=1)
ran: list[str] = []
"""What the tools did, in this process: they are activities, so a replay adds nothing."""


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    ran.clear()


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")


@activity.defn
async def drop(table: str) -> str:
    """Drop a table."""
    ran.append(table)
    return f"dropped {table}, {len(ran)}"


@tool(name="drop")
async def plain_drop(table: str) -> str:
    """Drop a table."""
    ran.append(table)
    return f"dropped {table}, {len(ran)}"


@dataclass
class Verdict:
    allowed: bool
    why: str


async def judge(table: str) -> Verdict:
    return Verdict(table != "users", f"{table} is precious")


async def again(text: str) -> bool:
    return text.endswith("1")


judge_activity = activity.defn(judge)
again_activity = activity.defn(again)
ACTIVITIES = [drop, judge_activity, again_activity]


class Hooks(HookProvider):
    """One hook: durable by an activity, plain by the same function in place."""

    def __init__(
        self, make: MakeAgent, event_type: Any, decide: Any, question: Callable[[Any], Any], apply: Any
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


def table_of(event: Any) -> str:
    return event.tool_use["input"]["table"]


def cancel_unless_allowed(event: BeforeToolCallEvent[Any], verdict: Verdict) -> None:
    assert isinstance(verdict, Verdict)  # decoded by the activity's hints
    if not verdict.allowed:
        event.cancel_tool = verdict.why


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
        ran.clear()  # once for each of the two runs, and not at a replay
        return ScriptedModel(*steps)

    def build(make: MakeAgent) -> Agent:
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


# --- A guard that cannot run lets nothing through -----------------------------------------------------------


@activity.defn
async def broken_guard(table: str) -> Verdict:
    """Fail, for one table."""
    if table == "users":
        raise ConnectionError("the policy service is down")
    return Verdict(True, "")


def explode(event: Any, verdict: Verdict) -> None:
    if table_of(event) == "users":
        raise ZeroDivisionError("the callback is wrong")


def interrupt(event: BeforeToolCallEvent[Any], verdict: Verdict) -> None:
    if event.interrupt("approve", reason=verdict.why) != "yes":
        event.cancel_tool = "denied"


class Guard(HookProvider):
    def __init__(self, kind: str) -> None:
        apply: Any = {"apply": explode, "ask": interrupt}.get(kind, cancel_unless_allowed)
        function = {"activity": broken_guard, "not registered": not_registered}.get(kind, judge_activity)
        self.callback: Any = activity_as_hook(
            function, activity_input=table_of, apply=apply, retry_policy=ONCE
        )

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self.callback)


@activity.defn
async def not_registered(table: str) -> Verdict:
    """Is on no worker."""
    raise NotImplementedError


@workflow.defn
class GuardedWorkflow:
    @workflow.run
    async def run(self, kind: str, sequential: bool, plain: bool) -> str:
        executor = SequentialToolExecutor() if sequential else ConcurrentToolExecutor()
        tools: list[Any] = [activity_as_tool(drop)]
        options: Any = {"tools": tools, "hooks": [Guard(kind)], "callback_handler": None}
        options["tool_executor"] = executor
        agent = Agent(TemporalModel("m"), **options) if plain else TemporalAgent("m", **options)
        return str(await agent.invoke_async("go"))


WRONG = {
    "activity": ("ConnectionError", "the policy service is down"),
    "not registered": ("NotFoundError", "not_registered"),
    "apply": ("ZeroDivisionError", "the callback is wrong"),
}


@pytest.mark.parametrize("sequential", [False, True], ids=["concurrent", "sequential"])
@pytest.mark.parametrize("kind", WRONG)
async def test_a_guard_that_fails_ends_the_run_and_the_tool_does_not_run(
    agents: Agents, kind: str, sequential: bool
) -> None:
    type_, text = WRONG[kind]
    model = ScriptedModel(use_tool("drop", {"table": "users"}), say("must not be asked"))
    async with agents(
        workflows=[GuardedWorkflow],
        activities=[drop, broken_guard, judge_activity],
        models={"m": lambda: model},
    ) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(GuardedWorkflow.run, kind, sequential, False)
        history = await env.handles[0].fetch_history()
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == (type_, True)
    assert text in cause.message
    assert ran == []
    assert scheduled(history, "drop") == 0
    assert len(model.calls) == 1


def scheduled(history: Any, name: str) -> int:
    return sum(
        event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
        and event.activity_task_scheduled_event_attributes.activity_type.name == name
        for event in history.events
    )


async def test_of_two_tools_only_the_one_that_was_guarded_in_vain_does_not_run(agents: Agents) -> None:
    calls = [("drop", {"table": "logs"}, "1"), ("drop", {"table": "users"}, "2")]
    model = ScriptedModel(use_tools(calls), say("must not be asked"))
    async with agents(
        workflows=[GuardedWorkflow], activities=[drop, broken_guard], models={"m": lambda: model}
    ) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(GuardedWorkflow.run, "activity", True, False)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "ConnectionError"
    assert ran == ["logs"]
    assert len(model.calls) == 1


async def test_in_a_plain_agent_too_the_guard_ends_the_run(agents: Agents) -> None:
    # Typed by what Strands wraps errors in: only a TemporalAgent's own are looked into.
    model = ScriptedModel(use_tool("drop", {"table": "users"}), say("must not be asked"))
    async with agents(
        workflows=[GuardedWorkflow], activities=[drop, broken_guard], models={"m": lambda: model}
    ) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(GuardedWorkflow.run, "activity", False, True)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "EventLoopException"
    assert "the policy service is down" in failure.value.cause.message
    assert ran == []


@workflow.defn
class AskingWorkflow:
    @workflow.run
    async def run(self, answer: str) -> str:
        agent = TemporalAgent(
            "m", tools=[activity_as_tool(drop)], hooks=[Guard("ask")], callback_handler=None
        )
        result = await agent.invoke_async("go")
        (asked,) = list(result.interrupts or [])
        assert asked.reason == "users is precious"
        reply: Any = [{"interruptResponse": {"interruptId": asked.id, "response": answer}}]
        return str(await agent.invoke_async(reply)).strip()


@pytest.mark.parametrize(
    ("answer", "expected"), [("yes", "it said: dropped users, 1"), ("no", "it said: denied")]
)
async def test_apply_may_ask_a_person(agents: Agents, answer: str, expected: str) -> None:
    model = ScriptedModel(use_tool("drop", {"table": "users"}), echo)
    async with agents(workflows=[AskingWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        assert await env.run(AskingWorkflow.run, answer) == expected
    assert ran == (["users"] if answer == "yes" else [])


def test_apply_must_be_callable() -> None:
    with pytest.raises(AgentTypeError, match=r"apply='x' cannot be called.*cancel_tool"):
        activity_as_hook(judge_activity, apply="x")  # pyright: ignore[reportArgumentType]


async def test_without_apply_the_result_is_of_no_consequence(agents: Agents) -> None:
    model = ScriptedModel(use_tool("drop", {"table": "users"}), echo)
    async with agents(workflows=[AuditedWorkflow], activities=ACTIVITIES, models={"m": lambda: model}) as env:
        assert await env.run(AuditedWorkflow.run) == "it said: dropped users, 1"


@workflow.defn
class AuditedWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("m", tools=[activity_as_tool(drop)], callback_handler=None)
        agent.hooks.add_callback(
            BeforeToolCallEvent, activity_as_hook(judge_activity, activity_input=table_of)
        )
        return str(await agent.invoke_async("go")).strip()


# --- Heartbeats ---------------------------------------------------------------------------------------------

finish = threading.Event()
attempts: list[int] = []
told = threading.Event()


@activity.defn
async def quiet_async() -> None:
    """Say nothing for longer than the heartbeat time-out."""
    attempts.append(activity.info().attempt)
    try:
        await asyncio.to_thread(finish.wait, 30)
    except asyncio.CancelledError:
        told.set()
        raise


@activity.defn
def quiet_in_a_thread() -> None:
    """Say nothing for longer than the heartbeat time-out."""
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
