"""`activity_as_hook(apply=...)` as a guard: it fails closed."""

from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.tool_hook_scenes import (
    ACTIVITIES,
    Verdict,
    cancel_unless_allowed,
    drop,
    judge_activity,
    ran,
    table_of,
)
from packages.core.tests.workflow.tool_hook_scenes import nothing_ran as nothing_ran
from packages.core.tests.workflow.tool_scenes import ONCE, echo
from strands import Agent
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_hook, activity_as_tool

pytestmark = pytest.mark.server


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
    """Registered on no worker."""
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
    "not registered": ("ActivityNotRegisteredError", "'not_registered'. Register it"),
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
    # The type is that of Strands' wrapper: only a TemporalAgent unwraps its own errors.
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
