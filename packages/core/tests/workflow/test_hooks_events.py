"""All hook events of an agent, and all fields that a hook may write, work as in a plain agent."""

import dataclasses
import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from packages.core.tests.workflow.hook_scenes import AGENTS_EVENTS, Hooks, double, echo, tools_of, triple
from strands import Agent
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
    MessageAddedEvent,
    events,
)
from strands.hooks.registry import HookEvent
from strands.types.exceptions import ModelThrottledException
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal.testing import (
    AgentFactory,
    Scenario,
    ScriptedModel,
    fail,
    prompts,
    run_parity,
    say,
    use_tool,
)
from strands_temporal.workflow import execute_activity

pytestmark = pytest.mark.server

ELSEWHERE = {"MessageUpdatedEvent"}
"""Emitted by a `BidiAgent` only (Strands 1.62)."""


def one_tool() -> ScriptedModel:
    return ScriptedModel(use_tool("double", {"number": 3}), *[echo] * 3)


def writing(field: str, value: Any) -> Callable[[Hooks, Any], None]:
    return lambda hooks, event: setattr(event, field, value)


def once(field: str, value: Any) -> Callable[[Hooks, Any], None]:
    def write(hooks: Hooks, event: Any) -> None:
        if hooks.first():
            setattr(event, field, value)

    return write


async def later(hooks: Hooks, event: BeforeToolCallEvent[Any]) -> None:
    """An async hook: a durable activity in a workflow, a plain call otherwise."""
    doubled: Any
    if workflow.in_workflow():
        doubled = await execute_activity(double, [event.tool_use["input"]["number"]], OPTIONS)
    else:
        doubled = event.tool_use["input"]["number"] * 2
    event.tool_use["input"]["number"] = doubled


OPTIONS: Any = {"start_to_close_timeout": timedelta(seconds=20)}


def retry_odd(hooks: Hooks, event: AfterToolCallEvent[Any]) -> None:
    if event.exception is not None:
        assert isinstance(event.exception, ValueError)
        event.tool_use["input"]["number"] += 1
        event.retry = True


def retry_bad(hooks: Hooks, event: AfterModelCallEvent) -> None:
    if event.stop_response is not None and "bad" in str(event.stop_response.message):
        event.retry = True


def retry_throttled(hooks: Hooks, event: AfterModelCallEvent) -> None:
    event.retry = isinstance(event.exception, ModelThrottledException)


def resume_once(hooks: Hooks, event: AfterInvocationEvent) -> None:
    if hooks.first():
        event.resume = "and again"


def stop(hooks: Hooks, event: AfterToolCallEvent[Any]) -> None:
    event.agent.cancel(message="enough", after_current_tools=True)


def select_triple(hooks: Hooks, event: BeforeToolCallEvent[Any]) -> None:
    event.selected_tool = triple


def four(hooks: Hooks, event: BeforeToolCallEvent[Any]) -> None:
    event.tool_use["input"]["number"] = 4


def cancel_second(hooks: Hooks, event: BeforeModelCallEvent) -> None:
    event.cancel = not hooks.first()


def rename(hooks: Hooks, event: BeforeToolCallEvent[Any]) -> None:
    event.tool_use = {**event.tool_use, "name": "triple", "input": {"number": 5}}


def rewrite(hooks: Hooks, event: AfterToolCallEvent[Any]) -> None:
    event.result = {**event.result, "status": "error", "content": [{"text": "rewritten"}]}


def redact(hooks: Hooks, event: BeforeInvocationEvent) -> None:
    event.messages = [{"role": "user", "content": [{"text": "redacted"}]}]


def annotate(hooks: Hooks, event: MessageAddedEvent[Any]) -> None:
    hooks.log.append(event.message["role"])
    if event.message["role"] == "user":
        event.message["content"].append({"text": f"({len(hooks.log)})"})


def share(hooks: Hooks, event: Any) -> None:
    event.invocation_state.setdefault("trail", []).append(type(event).__name__)
    if isinstance(event, AfterToolsEvent):
        event.end_turn = "->".join(event.invocation_state["trail"])


CASES: dict[str, tuple[Callable[[], ScriptedModel], list[Any], str]] = {
    "tool_use edited in place": (
        one_tool,
        [(BeforeToolCallEvent, four)],
        "read: 8",
    ),
    "tool_use replaced": (one_tool, [(BeforeToolCallEvent, rename)], "read: 15"),
    "selected_tool": (one_tool, [(BeforeToolCallEvent, select_triple)], "read: 9"),
    "selected_tool is none": (
        one_tool,
        [(BeforeToolCallEvent, writing("selected_tool", None))],
        "read: Unknown tool: double",
    ),
    "cancel_tool": (
        one_tool,
        [(BeforeToolCallEvent, writing("cancel_tool", True))],
        "read: tool cancelled by user",
    ),
    "cancel_tool with a reason": (
        one_tool,
        [(BeforeToolCallEvent, writing("cancel_tool", "no"))],
        "read: no",
    ),
    "an async hook with an activity": (one_tool, [(BeforeToolCallEvent, later)], "read: 12"),
    "result": (one_tool, [(AfterToolCallEvent, rewrite)], "read: rewritten"),
    "tool retry": (
        lambda: ScriptedModel(use_tool("fragile", {"number": 3}), echo),
        [(AfterToolCallEvent, retry_odd)],
        "read: 4",
    ),
    "model retry": (
        lambda: ScriptedModel(say("bad"), say("bad"), say("good")),
        [(AfterModelCallEvent, retry_bad)],
        "good",
    ),
    "model retry after an error": (
        lambda: ScriptedModel(fail(ModelThrottledException("slow down")), say("good")),
        [(AfterModelCallEvent, retry_throttled)],
        "good",
    ),
    "resume": (lambda: ScriptedModel(*[echo] * 2), [(AfterInvocationEvent, resume_once)], "read: and again"),
    "end_turn": (one_tool, [(AfterToolsEvent, writing("end_turn", True))], ""),
    "end_turn with a text": (
        one_tool,
        [(AfterToolsEvent, writing("end_turn", "that is all"))],
        "that is all",
    ),
    "end_turn with blocks": (
        one_tool,
        [(AfterToolsEvent, writing("end_turn", [{"text": "one"}, {"text": "two"}]))],
        "one\ntwo",
    ),
    "cancel of all tools": (
        one_tool,
        [(BeforeToolsEvent, writing("cancel", "none of it"))],
        "read: none of it",
    ),
    "cancel of the model call": (
        one_tool,
        [(BeforeModelCallEvent, writing("cancel", "not now"))],
        "not now",
    ),
    "cancel of the second model call": (
        one_tool,
        [(BeforeModelCallEvent, cancel_second)],
        "",
    ),
    "cancel of the invocation": (
        one_tool,
        [(BeforeInvocationEvent, writing("cancel", "closed"))],
        "closed",
    ),
    "messages": (lambda: ScriptedModel(echo), [(BeforeInvocationEvent, redact)], "read: redacted"),
    "a message that was added": (one_tool, [(MessageAddedEvent, annotate)], "read: 6\n(3)"),
    "stop after these tools": (one_tool, [(AfterToolCallEvent, stop)], "enough"),
    "invocation_state is shared": (
        one_tool,
        [(event, share) for event in (BeforeModelCallEvent, BeforeToolCallEvent, AfterToolsEvent)],
        "BeforeModelCallEvent->BeforeToolCallEvent->AfterToolsEvent",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])
async def test_a_hook_writes_as_in_a_plain_agent(
    client: Client, worker_options: dict[str, Any], case: str, cache: Any
) -> None:
    script, callbacks, expected = CASES[case]

    def build(make: AgentFactory) -> Agent:
        # Temporal would repeat a throttled call before a hook sees it.
        options: Any = {"retry_policy": RetryPolicy(maximum_attempts=1)} if make.durable else {}
        return make(tools=tools_of(make), hooks=[Hooks(*callbacks)], **options)

    options = worker_options if cache is None else {**worker_options, "max_cached_workflows": cache}
    parity = await run_parity(client, Scenario(script, build, prompts("go"), [double]), **options)
    parity.assert_equal()
    assert parity.durable.error is None
    assert expected in (parity.durable.text or "")


def test_every_writable_field_has_a_case() -> None:
    writable: set[str] = set()
    for name, event in agents_events().items():
        bare: Any = event.__new__(event)
        writable |= {
            f"{name}.{field.name}" for field in dataclasses.fields(event) if is_writable(bare, field)
        }
    assert writable == {
        "BeforeInvocationEvent.messages",
        "BeforeInvocationEvent.cancel",
        "AfterInvocationEvent.resume",
        "BeforeToolsEvent.cancel",
        "AfterToolsEvent.end_turn",
        "BeforeToolCallEvent.selected_tool",
        "BeforeToolCallEvent.tool_use",
        "BeforeToolCallEvent.cancel_tool",
        "AfterToolCallEvent.result",
        "AfterToolCallEvent.retry",
        "BeforeModelCallEvent.cancel",
        "AfterModelCallEvent.retry",
    }
    assert agents_events().keys() == {event.__name__ for event in AGENTS_EVENTS}


def agents_events() -> dict[str, Any]:
    return {
        name: event
        for name, event in vars(events).items()
        if inspect.isclass(event) and issubclass(event, HookEvent) and name not in {"HookEvent", *ELSEWHERE}
    }


def is_writable(event: Any, field: Any) -> bool:
    return bool(event._can_write(field.name))
