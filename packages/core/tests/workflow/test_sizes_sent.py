"""Values that a workflow with agents itself sends and that are too large: results, failures, inputs."""

import contextlib
import re
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.wire.size_scenes import KB, MB
from strands import tool
from strands.hooks import BeforeInvocationEvent
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, ChildWorkflowError

from strands_temporal import PayloadTooLargeError, TemporalAgent
from strands_temporal._errors import PAYLOAD_TOO_LARGE
from strands_temporal.activity import ToolContext
from strands_temporal.testing import ScriptedModel, say
from strands_temporal.workflow import activity_as_hook, activity_as_tool

pytestmark = pytest.mark.server


def failure_of(error: BaseException) -> ApplicationError:
    assert isinstance(error.__cause__, ApplicationError)
    return error.__cause__


# --- What a workflow itself sends --------------------------------------------------------------------------


@workflow.defn
class SendingWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent("m", callback_handler=None)
        self.done = False

    @workflow.run
    async def run(self, what: str, text: str = "") -> Any:
        await self.agent.invoke_async("go")
        large = "x" * 3 * MB
        if what == "result":
            return large
        if what == "continue":
            workflow.continue_as_new(args=["nothing", large])
        if what == "caught":
            with contextlib.suppress(PayloadTooLargeError):
                workflow.continue_as_new(args=["nothing", large])
            return "caught"
        if what == "child":
            return await workflow.execute_child_workflow(SendingWorkflow.run, args=["nothing", large])
        if what == "child's result":
            return await workflow.execute_child_workflow(SendingWorkflow.run, "result")
        if what == "child's signal":
            child = await workflow.start_child_workflow(SendingWorkflow.run, "update")
            await child.signal("any", large)
        if what == "signal":
            await workflow.get_external_workflow_handle("nobody").signal("any", large)
        if what == "update":
            await workflow.wait_condition(lambda: self.done)
        return what

    @workflow.update
    async def say(self, size: int) -> str:
        self.done = size < MB
        return "x" * size


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("result", "The workflow's result of 3,000,0"),
        ("continue", "continue_as_new: an input of 3,000,0"),
        ("child", "Child workflow 'SendingWorkflow': an input of 3,000,0"),
        ("signal", "Signal 'any': an input of 3,000,0"),
        ("child's signal", "Signal 'any': an input of 3,000,0"),
    ],
)
async def test_what_a_workflow_with_agents_sends_too_large_fails_it_with_a_reason(
    agents: Agents, what: str, message: str
) -> None:
    async with agents(workflows=[SendingWorkflow], models={"m": lambda: ScriptedModel(say("ok"))}) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(SendingWorkflow.run, what)
        assert failure_of(error.value).type == PAYLOAD_TOO_LARGE
        assert failure_of(error.value).message.startswith(message)


async def test_a_childs_result_that_is_too_large_fails_the_child_and_its_parent_sees_why(
    agents: Agents,
) -> None:
    model = ScriptedModel(say("ok"), say("ok"))
    async with agents(workflows=[SendingWorkflow], models={"m": lambda: model}) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(SendingWorkflow.run, "child's result")
        child = error.value.cause
        assert isinstance(child, ChildWorkflowError)
        assert isinstance(child.cause, ApplicationError)
        assert child.cause.type == PAYLOAD_TOO_LARGE


async def test_a_workflow_may_catch_what_it_cannot_continue_with(agents: Agents) -> None:
    async with agents(workflows=[SendingWorkflow], models={"m": lambda: ScriptedModel(say("ok"))}) as env:
        assert await env.run(SendingWorkflow.run, "caught") == "caught"


async def test_an_updates_result_that_is_too_large_fails_the_update_alone(agents: Agents) -> None:
    async with agents(workflows=[SendingWorkflow], models={"m": lambda: ScriptedModel(say("ok"))}) as env:
        handle = await env.start(SendingWorkflow.run, "update")
        with pytest.raises(WorkflowUpdateFailedError) as error:
            await handle.execute_update(SendingWorkflow.say, 3 * MB)
        assert failure_of(error.value).message.startswith("The result of update 'say' of 3,000,0")
        assert len(await handle.execute_update(SendingWorkflow.say, 10)) == 10
        assert await handle.result() == "update"
        await env.assert_replays(handle)


# --- Failures ----------------------------------------------------------------------------------------------


class OwnError(Exception):
    pass


def raises(kind: str, size: int) -> None:
    text = "x" * size
    if kind == "own":
        raise OwnError(text)
    if kind == "value":
        raise ValueError(text)
    if kind == "application":
        raise ApplicationError(text, type="Own", non_retryable=True)
    if kind == "details":
        raise ApplicationError("short", text, type="Own", non_retryable=True)
    if kind == "cause":
        raise OwnError("short") from ValueError(text)


calls: list[str] = []


@activity.defn
async def fails(kind: str, size: int) -> str:
    """Fail."""
    calls.append(kind)
    raises(kind, size)
    return ""


@activity.defn
async def asks(size: int, tool_context: ToolContext) -> str:
    """Ask."""
    calls.append("asks")
    return str(tool_context.interrupt("sure", reason="y" * size))


@tool
async def fails_here(kind: str, size: int) -> str:
    """Fail."""
    raises(kind, size)
    return ""


@workflow.defn
class FailingWorkflow:
    @workflow.run
    async def run(self, where: str, kind: str, size: int) -> str:
        agent = TemporalAgent(
            "m",
            tools=[activity_as_tool(fails), activity_as_tool(asks), fails_here],
            callback_handler=None,
        )
        if where == "hook":

            def hook(event: BeforeInvocationEvent) -> None:
                raises(kind, size)

            agent.add_hook(hook, BeforeInvocationEvent)
        if where == "activity hook":

            def what(event: BeforeInvocationEvent) -> list[Any]:
                return [kind, size]

            agent.add_hook(activity_as_hook(fails_as_hook, activity_input=what), BeforeInvocationEvent)
        if where == "tool":
            result = await agent.tool_async.fails(kind=kind, size=size, record_direct_tool_call=False)
            return result["content"][0].get("text", "")
        if where == "asks":
            result = await agent.tool_async.asks(size=size, record_direct_tool_call=False)
            return result["content"][0].get("text", "")
        return str(await agent.invoke_async("go"))


@activity.defn
async def fails_as_hook(what: list[Any]) -> None:
    """Fail."""
    raises(what[0], what[1])


@pytest.mark.sample(6)
@pytest.mark.parametrize("size", [1_500 * KB, 6 * MB])
@pytest.mark.parametrize(
    ("kind", "attempts", "text"),
    [
        ("own", 3, "Error: OwnError - xxx"),
        ("value", 3, "Error: xxx"),
        ("application", 1, "Error: ApplicationError - Own: xxx"),
        ("details", 1, "Error: ApplicationError - Own: short"),
        ("cause", 3, "Error: OwnError - short"),
    ],
)
async def test_a_tools_failure_that_is_too_large_is_told_in_part(
    agents: Agents, kind: str, attempts: int, text: str, size: int
) -> None:
    calls.clear()
    async with agents(
        workflows=[FailingWorkflow], activities=[fails, asks], models={"m": lambda: ScriptedModel()}
    ) as env:
        told = await env.run(FailingWorkflow.run, "tool", kind, size)
        assert told.startswith(text)
        assert len(told) < 101 * KB
        assert calls == [kind] * attempts
        if "xxx" in text:
            assert re.search(r"\.\.\. \([\d,]+ characters left out: too large for Temporal\) \.\.\.xxx", told)


@pytest.mark.sample(4)
@pytest.mark.parametrize("where", ["hook", "activity hook"])
@pytest.mark.parametrize("kind", ["own", "value", "application", "details", "cause"])
async def test_a_hooks_failure_that_is_too_large_ends_the_run_with_its_type(
    agents: Agents, where: str, kind: str
) -> None:
    async with agents(
        workflows=[FailingWorkflow],
        activities=[fails_as_hook],
        models={"m": lambda: ScriptedModel(say("ok"))},
    ) as env:
        with pytest.raises(WorkflowFailureError) as error:
            await env.run(FailingWorkflow.run, where, kind, 3 * MB)
        failure = failure_of(error.value)
        assert failure.type == {"own": "OwnError", "value": "ValueError", "cause": "OwnError"}.get(
            kind, "Own"
        )
        assert failure.message[:5] in ("xxxxx", "short")


async def test_an_interrupt_whose_reason_is_too_large_is_a_failed_tool(agents: Agents) -> None:
    calls.clear()
    async with agents(
        workflows=[FailingWorkflow], activities=[asks], models={"m": lambda: ScriptedModel()}
    ) as env:
        told = await env.run(FailingWorkflow.run, "asks", "", 3 * MB)
        assert re.search(r"The reason of an interrupt is too large for Temporal: 3,000,0\d\d bytes", told)
        assert calls == ["asks"]
