"""The cost of a tool call in history, and histories of releases that had no answers, keys or headers."""

from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import tool
from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server


def echo(call: ScriptedCall) -> Reply:
    return say(f"it said: {call.text}")


@activity.defn
async def look_up(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


@activity.defn
async def look_up_with_context(city: str, tool_context: ToolContext) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


@tool(name="look_up")
async def by_hand(city: str) -> str:
    """Call the activity as one would without `activity_as_tool`."""
    return await workflow.execute_activity(look_up, city, start_to_close_timeout=timedelta(minutes=1))


@workflow.defn
class CostWorkflow:
    @workflow.run
    async def run(self, kind: str) -> str:
        tools: dict[str, Any] = {
            "by hand": lambda: by_hand,
            "tool": lambda: activity_as_tool(look_up),
            "context": lambda: activity_as_tool(look_up_with_context, name="look_up"),
        }
        agent = TemporalAgent("m", tools=[tools[kind]()], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


async def history_of(agents: Agents, kind: str) -> Any:
    model = ScriptedModel(use_tool("look_up", {"city": "Bern"}, tool_use_id="tooluse_0123456789abcdef"), echo)
    async with agents(
        workflows=[CostWorkflow], activities=[look_up, look_up_with_context], models={"m": lambda: model}
    ) as env:
        assert await env.run(CostWorkflow.run, kind) == "it said: sunny in Bern"
        return await env.handles[0].fetch_history()


def tool_events(history: Any) -> list[Any]:
    """Return the events of the tool's activity."""
    scheduled = [
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name.startswith("look_up")
    ]
    return [
        event
        for event in history.events
        if event.event_id in scheduled
        or event.activity_task_started_event_attributes.scheduled_event_id in scheduled
        or event.activity_task_completed_event_attributes.scheduled_event_id in scheduled
    ]


async def test_a_tool_call_has_no_more_events_than_the_activity_and_few_more_bytes(agents: Agents) -> None:
    by_hand_history = await history_of(agents, "by hand")
    tool_history = await history_of(agents, "tool")
    kinds = [event.event_type for event in tool_history.events]
    assert kinds == [event.event_type for event in by_hand_history.events]
    base = sum(event.ByteSize() for event in tool_events(by_hand_history))
    tool = sum(event.ByteSize() for event in tool_events(tool_history))
    # The header with key and id, what surrounds the answer, and the default options: heartbeat, three
    # attempts.
    assert 0 < tool - base < 220, (base, tool)
    context = sum(event.ByteSize() for event in tool_events(await history_of(agents, "context")))
    print(f"bytes of a tool call: activity {base}, as a tool {tool}, with a context {context}")  # noqa: T201


# --- Results that cannot cross -----------------------------------------------------------------------------

attempts: list[str] = []


@activity.defn(name="answers_badly")
def answers_badly_in_a_thread(kind: str) -> Any:
    """Return what cannot cross, or is too large."""
    return bad_answer(kind)


@activity.defn
async def answers_badly(kind: str) -> Any:
    """Return what cannot cross, or is too large."""
    return bad_answer(kind)


def bad_answer(kind: str) -> Any:
    """Return what cannot cross, or is too large."""
    attempts.append(kind)
    if kind == "large":
        return "x" * 3_000_000
    if kind == "huge":
        return "x" * 6_000_000
    inner: Any = {"object": object(), "keys": {1: {(1, 2): 3}}}[kind] if kind != "endless" else []
    if kind == "endless":
        inner.append(inner)
    return {"status": "success", "content": [{"json": inner}]}


@workflow.defn
class BadAnswerWorkflow:
    @workflow.run
    async def run(self) -> str:
        # The policy retries forever, but an answer that cannot be sent must not be retried.
        answers = activity_as_tool(answers_badly, retry_policy=RetryPolicy())
        agent = TemporalAgent("m", tools=[answers], callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            "object",
            "Error: The tool's result cannot cross to the workflow. A object cannot cross",
        ),
        ("keys", "Error: The tool's result cannot cross to the workflow. The key 1 cannot cross"),
        ("endless", "Error: The tool's result cannot cross to the workflow. maximum recursion"),
        ("large", "Error: The tool's result is too large for Temporal: 3,000,0"),
        ("huge", "Error: The tool's result is too large for Temporal: 6,000,0"),
        ("large, in a thread", "Error: The tool's result is too large for Temporal: 3,000,0"),
        ("huge, in a thread", "Error: The tool's result is too large for Temporal: 6,0"),
    ],
)
async def test_a_result_that_cannot_cross_is_a_failed_tool_after_one_attempt(
    agents: Agents, kind: str, expected: str
) -> None:
    attempts.clear()
    kind, _, in_a_thread = kind.partition(", ")
    model = ScriptedModel(use_tool("answers_badly", {"kind": kind}), echo)
    function = answers_badly_in_a_thread if in_a_thread else answers_badly
    async with agents(
        workflows=[BadAnswerWorkflow], activities=[function], models={"m": lambda: model}
    ) as env:
        text = await env.run(BadAnswerWorkflow.run)
    assert text.startswith(f"it said: {expected}")
    assert attempts == [kind]
