"""The fault matrix: whatever fails, wherever, the workflow ends, with the exception that a caller expects.

docs/errors.md shows the table; `test_the_docs_show_this_table` keeps the two the same.
"""

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
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, fail, say, use_tool
from strands_temporal.workflow import activity_as_hook, activity_as_tool

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
        reply: What the model does; None for a model that cannot be made.
        attempts: How often the activity is tried.
        caught: Class of the exception that user code in the workflow catches.
        failure: Type of the failure that a client sees.
        model: Name under which the failing model is asked for.
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
    """Runs an agent to the position, where another model takes over and fails."""

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
    """The model that works: nothing, a tool call, or a tool call and an invalid structured output."""
    steps = [use_tool("look_up", {}), use_tool("Person", {"age": "old"})]
    return lambda: ScriptedModel(*steps[:position], say("not reached"))


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
    """Type of what ended the workflow: of the typed failure, or of what an activity ended on."""
    cause: BaseException | None = failure.cause
    if isinstance(cause, ApplicationError):
        return str(cause.type)
    while cause is not None and not isinstance(cause, exceptions.TimeoutError):
        cause = cause.__cause__
    return type(cause).__name__


@activity.defn
async def raises(city: str) -> str:
    """Look up a city."""
    counts["raises"] += 1
    raise LookupError(f"no {city}")


@activity.defn
async def times_out(city: str) -> str:
    """Look up a city."""
    counts["times_out"] += 1
    await asyncio.sleep(60)
    return city


@activity.defn
async def stops_heartbeating(city: str) -> str:
    """Look up a city, on a worker that lets it hang."""
    counts["stops_heartbeating"] += 1
    await asyncio.sleep(60)
    return city


@activity.defn
async def takes_a_number(count: int) -> int:
    """Count."""
    counts["takes_a_number"] += 1
    return count


@activity.defn
async def unserialisable(city: str) -> Any:
    """Return what JSON cannot hold."""
    counts["unserialisable"] += 1
    return {"city": city, "lock": asyncio.Lock()}


counts: dict[str, int] = {}
TOOLS = [raises, times_out, takes_a_number, unserialisable]


@dataclass(frozen=True)
class ToolFault:
    """A way in which a tool fails: the model reads `text` in an error result, after `attempts`."""

    activity: Callable[..., Any]
    arguments: dict[str, Any]
    attempts: int
    status: str
    text: str
    exception: str


TOOL_FAULTS: dict[str, ToolFault] = {
    "raises": ToolFault(
        raises, {"city": "Rom"}, ATTEMPTS, "error", "Error: LookupError - no Rom", "LookupError"
    ),
    "times out": ToolFault(
        times_out, {"city": "Rom"}, ATTEMPTS, "error", "Error: TimeoutError", "TimeoutError"
    ),
    "heartbeats stop": ToolFault(
        stops_heartbeating, {"city": "Rom"}, ATTEMPTS, "error", "Error: TimeoutError", "TimeoutError"
    ),
    "wrong arguments": ToolFault(
        takes_a_number, {"count": "many"}, 0, "error", "Validation failed for input parameters", "ValueError"
    ),
    "missing arguments": ToolFault(
        takes_a_number, {}, 0, "error", "Validation failed for input parameters", "ValueError"
    ),
    "unserialisable result": ToolFault(
        unserialisable, {"city": "Rom"}, 1, "success", "{'city': 'Rom', 'lock': <asyncio.locks.Lock", "None"
    ),
}


@workflow.defn
class ToolFaultWorkflow:
    @workflow.run
    async def run(self, name: str, sequential: bool, elsewhere: str) -> list[str]:
        from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor

        seen: list[str] = []

        def remember(event: AfterToolCallEvent) -> None:
            seen.extend(
                [event.result["status"], type(event.exception).__name__ if event.exception else "None"]
            )

        tools = [
            activity_as_tool(
                function,
                retry_policy=TWICE,
                start_to_close_timeout=timedelta(seconds=1 if function is times_out else 30),
            )
            for function in TOOLS
        ]
        hanging = activity_as_tool(
            stops_heartbeating,
            retry_policy=TWICE,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=1),
            task_queue=elsewhere,  # of a worker without the plugin, where nothing heartbeats by itself
        )
        executor = SequentialToolExecutor() if sequential else ConcurrentToolExecutor()
        agent = TemporalAgent(
            "m", tools=[*tools, hanging], hooks=[remember], tool_executor=executor, callback_handler=None
        )
        return [*seen, str(await agent.invoke_async(name)), *seen]


@pytest.mark.parametrize("sequential", [False, True], ids=["concurrent", "sequential"])
@pytest.mark.parametrize("name", TOOL_FAULTS)
async def test_a_tool_fault_is_an_error_the_model_reads(
    agents: Agents, client: Client, name: str, sequential: bool
) -> None:
    fault = TOOL_FAULTS[name]
    tool_name = fault.activity.__name__
    counts[tool_name] = 0
    elsewhere = f"elsewhere-{uuid.uuid4()}"

    def answer(call: ScriptedCall) -> Reply:
        return say(call.text) if call.number else use_tool(tool_name, fault.arguments)

    model = ScriptedModel(answer)
    async with (
        Worker(client, task_queue=elsewhere, activities=[stops_heartbeating]),
        agents(workflows=[ToolFaultWorkflow], activities=TOOLS, models={"m": lambda: model}) as env,
    ):
        text, status, exception = await env.run(ToolFaultWorkflow.run, name, sequential, elsewhere)
    assert fault.text in text
    assert (status, exception) == (fault.status, fault.exception)
    assert counts[tool_name] == fault.attempts
    assert len(model.calls) == 2


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
