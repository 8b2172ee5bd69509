"""The fault matrix: whatever fails, and wherever, the workflow ends with the expected exception."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from pydantic import BaseModel
from strands import tool
from strands.agent.conversation_manager import NullConversationManager
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterToolCallEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    MessageAddedEvent,
)
from strands.types.exceptions import (
    ContextWindowOverflowException,
    EventLoopException,
    ModelThrottledException,
)
from temporalio import activity, exceptions, workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool
from strands_temporal.workflow import activity_as_hook

pytestmark = pytest.mark.server

ATTEMPTS = 2
TWICE = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=ATTEMPTS)
NEVER_WRAPPED = ("ContextWindowOverflowException", "MaxTokensReachedException")
POSITIONS = ("first call", "after a tool call", "structured-output retry")


class Person(BaseModel):
    age: int


class StatusError(Exception):
    """An error of a provider's SDK as openai and anthropic raise them."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"Error code: {status_code}")
        self.status_code = status_code


class RemoteProtocolError(Exception):
    """A cut stream as httpx raises it; httpx itself cannot be imported into Temporal's sandbox."""


def broken_factory() -> ScriptedModel:
    raise OSError("no weights on this disk")


@dataclass(frozen=True)
class Fault:
    """A way in which a model call fails.

    Attributes:
        reply: The model's answer; None for a model that cannot be made.
        attempts: Attempts of the activity.
        caught: Class of the exception that user code in the workflow catches.
        failure: Type of the failure that the client sees.
        model: Name of the failing model.
    """

    reply: Reply | None
    attempts: int
    caught: str
    failure: str
    model: str = "bad"


def max_tokens() -> Reply:
    events: Any = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockStart": {"start": {}}},
        {"contentBlockDelta": {"delta": {"text": "and so"}}},
        {"contentBlockStop": {}},
        {"messageStop": {"stopReason": "max_tokens"}},
    ]
    return Reply(tuple(events))


def not_decodable() -> Reply:
    events: Any = [
        {"messageStart": {"role": "assistant"}},
        {"contentBlockDelta": {"delta": {"text": {1, 2}}}},
        {"messageStop": {"stopReason": "end_turn"}},
    ]
    return Reply(tuple(events))


FAULTS: dict[str, Fault] = {
    "429": Fault(
        fail(ModelThrottledException("slow down")),
        ATTEMPTS,
        "ModelThrottledException",
        "ModelThrottledException",
    ),
    "500": Fault(fail(StatusError(500)), ATTEMPTS, "ApplicationError", "StatusError"),
    "503": Fault(fail(StatusError(503)), ATTEMPTS, "ApplicationError", "StatusError"),
    "529": Fault(fail(StatusError(529)), ATTEMPTS, "ApplicationError", "StatusError"),
    "400": Fault(fail(StatusError(400)), 1, "ApplicationError", "StatusError"),
    "401": Fault(fail(StatusError(401)), 1, "ApplicationError", "StatusError"),
    "overflow": Fault(
        fail(ContextWindowOverflowException("too long")),
        1,
        "ContextWindowOverflowException",
        "ContextWindowOverflowException",
    ),
    "max tokens": Fault(max_tokens(), 1, "MaxTokensReachedException", "MaxTokensReachedException"),
    "cut stream": Fault(
        fail(RemoteProtocolError("peer closed connection"), after=say("half an ans")),
        ATTEMPTS,
        "ApplicationError",
        "RemoteProtocolError",
    ),
    "factory raises": Fault(None, 1, "ApplicationError", "ModelFactoryFailed", "broken"),
    "unknown name": Fault(None, 0, "ApplicationError", "ValueError", "nobody"),
    "timeout": Fault(say("late").when(lambda: asyncio.sleep(60)), ATTEMPTS, "ActivityError", "TimeoutError"),
    "result too large": Fault(say("x" * 3_000_000), 1, "ApplicationError", "ModelResultTooLarge"),
    "not decodable": Fault(not_decodable(), 1, "ApplicationError", "TypeError"),
}


@tool
def look_up() -> str:
    """Look something up."""
    return "42"


@workflow.defn
class ModelFaultWorkflow:
    """Runs an agent up to a position. There another model takes over and fails."""

    def __init__(self) -> None:
        self.caught = ""

    @workflow.query
    def caught_class(self) -> str:
        return self.caught

    @workflow.run
    async def run(self, position: int, model: str, seconds: int) -> str:
        calls = 0

        def swap(event: BeforeModelCallEvent) -> None:
            nonlocal calls
            calls += 1
            if calls > position > -1:
                event.agent.model = bad

        limit = timedelta(seconds=seconds)
        bad = TemporalModel(model, retry_policy=TWICE, start_to_close_timeout=limit)
        agent = TemporalAgent(
            "good",
            tools=[look_up],
            hooks=[swap],
            conversation_manager=NullConversationManager(),
            structured_output_model=Person if position == 2 else None,
            callback_handler=None,
        )
        try:
            return str(await agent.invoke_async("go"))
        except EventLoopException as error:  # Strands' wrapper, from the second model call of a turn on
            self.caught = f"EventLoopException of {type(error.original_exception).__name__}"
            raise
        except Exception as error:
            self.caught = type(error).__name__
            raise


def preamble(position: int) -> Callable[[], ScriptedModel]:
    """Return the steps before the failure: none, a tool call, or that and an invalid structured output."""
    steps = [use_tool("look_up", {}), use_tool("Person", {"age": "old"})]
    return lambda: ScriptedModel(*steps[:position], say("not reached"))


@pytest.mark.sample(12)
@pytest.mark.parametrize("position", range(3), ids=POSITIONS)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_model_fault_ends_the_workflow_typed(agents: Agents, name: str, position: int) -> None:
    fault = FAULTS[name]
    bad = ScriptedModel(lambda call: fault.reply or say("no"))
    tried: list[int] = []

    def factory() -> ScriptedModel:
        tried.append(1)
        return broken_factory()

    models = {"good": preamble(position), "bad": lambda: bad, "broken": factory}
    async with agents(workflows=[ModelFaultWorkflow], models=models) as env:
        handle = await env.start(
            ModelFaultWorkflow.run, position, fault.model, 1 if name == "timeout" else 30
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 45)
        await env.assert_replays(handle)
        wrapped = position and fault.caught not in NEVER_WRAPPED
        caught = f"EventLoopException of {fault.caught}" if wrapped else fault.caught
        assert await handle.query(ModelFaultWorkflow.caught_class) == caught
    assert failure_type(failure.value) == fault.failure
    assert len(bad.calls) + len(tried) == fault.attempts


def failure_type(failure: WorkflowFailureError) -> str:
    """Return the type of the failure that ended the workflow: our typed failure, or an activity's."""
    cause: BaseException | None = failure.cause
    if isinstance(cause, ApplicationError):
        return str(cause.type)
    while cause is not None and not isinstance(cause, exceptions.TimeoutError):
        cause = cause.__cause__
    return type(cause).__name__


@activity.defn
async def guard(subject: str) -> None:
    raise PermissionError(f"no entry: {subject}")


HOOK_EVENTS = {
    event.__name__: event
    for event in (
        BeforeInvocationEvent,
        AfterInvocationEvent,
        BeforeModelCallEvent,
        AfterModelCallEvent,
        BeforeToolCallEvent,
        AfterToolCallEvent,
        MessageAddedEvent,
    )
}


@workflow.defn
class HookFaultWorkflow:
    @workflow.run
    async def run(self, event_name: str, in_activity: bool) -> str:
        def raise_here(event: Any) -> None:
            raise PermissionError("no entry: here")

        hook: Any = activity_as_hook(guard, activity_input=lambda event: "here", retry_policy=TWICE)
        agent = TemporalAgent("m", tools=[look_up], callback_handler=None)
        agent.hooks.add_callback(HOOK_EVENTS[event_name], hook if in_activity else raise_here)
        return str(await agent.invoke_async("go"))


@pytest.mark.parametrize("in_activity", [False, True], ids=["in the workflow", "in an activity"])
@pytest.mark.parametrize("event_name", HOOK_EVENTS)
async def test_a_hook_that_raises_ends_the_workflow_typed(
    agents: Agents, event_name: str, in_activity: bool
) -> None:
    def answer(call: ScriptedCall) -> Reply:
        return say(call.text) if call.number else use_tool("look_up", {})

    model = ScriptedModel(answer)
    models = {"m": lambda: model}
    async with agents(workflows=[HookFaultWorkflow], activities=[guard], models=models) as env:
        handle = await env.start(
            HookFaultWorkflow.run, event_name, in_activity, id=f"hook-{event_name}-{uuid.uuid4()}"
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
    assert failure_type(failure.value) == "PermissionError"
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.message == "no entry: here"
    assert cause.non_retryable


def table() -> list[str]:
    """The rows of the table in docs/errors.md."""
    rows = [
        "| a model call fails by | attempts | caught in the workflow | failure's type |",
        "|---|---|---|---|",
    ]
    for name, fault in FAULTS.items():
        attempts = "all" if fault.attempts == ATTEMPTS else "1"
        rows.append(f"| {name} | {attempts} | `{fault.caught}` | `{fault.failure}` |")
    return rows


def test_the_docs_show_this_table() -> None:
    docs = Path(__file__).parents[4] / "docs" / "errors.md"
    assert "\n".join(table()) in docs.read_text()
