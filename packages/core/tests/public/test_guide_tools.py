"""The guide's sections on tools and hooks, written by us; test_guide has the others."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from pydantic import BaseModel
from strands import tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent, HookProvider, HookRegistry
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_hook, activity_as_tool

with workflow.unsafe.imports_passed_through():
    pass


pytestmark = pytest.mark.server


# --- Tools


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count how often a letter occurs in a word.

    Args:
        word: The word to look at.
        letter: The letter to count.
    """
    return word.lower().count(letter.lower())


@activity.defn
async def fetch_weather(city: str) -> dict[str, Any]:
    """Look up the weather of a city."""
    return {"city": city, "temperature_f": 72, "conditions": "sunny", "wind": "schwächer"}


@activity.defn
def environment_activity() -> str:
    """Tell what the worker runs on."""
    return f"worker {activity.info().task_queue}"


@workflow.defn
class ToolsWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent(
            start_to_close_timeout=timedelta(seconds=60),
            model="claude",
            tools=[
                letter_counter,
                activity_as_tool(fetch_weather, start_to_close_timeout=timedelta(seconds=30)),
                activity_as_tool(environment_activity, start_to_close_timeout=timedelta(seconds=30)),
            ],
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        return str(await self.agent.invoke_async(prompt))


def answer_with_tools(call: ScriptedCall) -> Any:
    """Ask for all three tools, then answer with their actual results."""
    if call.number == 0:
        assert call.tool_names == ["letter_counter", "fetch_weather", "environment_activity"]
        return use_tools(
            [
                ("letter_counter", {"word": "Strawberry", "letter": "R"}, "count-1"),
                ("fetch_weather", {"city": "Zürich"}, "weather-1"),
                ("environment_activity", {}, "environment-1"),
            ],
            chunk=4,
        )
    return say("The tools said:\n" + call.text)


async def test_tools_in_the_workflow_and_as_activities_give_the_model_their_real_answers(
    agents: Agents,
) -> None:
    model = ScriptedModel(answer_with_tools)
    activities = [fetch_weather, environment_activity]
    async with agents(
        workflows=[ToolsWorkflow], activities=activities, models={"claude": lambda: model}
    ) as env:
        result = await env.run(ToolsWorkflow.run, "How many r's are in strawberry?")
        queue = env.task_queue
    assert result.splitlines() == [
        "The tools said:",
        "3",
        '{"city": "Zürich", "temperature_f": 72, "conditions": "sunny", "wind": "schwächer"}',
        f"worker {queue}",
    ]
    spec = next(spec for spec in model.calls[0].tool_specs if spec["name"] == "fetch_weather")
    assert spec["description"] == "Look up the weather of a city."
    assert spec["inputSchema"]["json"]["required"] == ["city"]


@dataclass
class Place:
    city: str
    country: str = "CH"


class Forecast(BaseModel):
    place: str
    days: list[int]


@activity.defn
async def forecast(place: Place, days: int = 2, unit: str = "C") -> Forecast:
    """Forecast the weather."""
    assert isinstance(place, Place)
    return Forecast(place=f"{place.city}/{place.country}/{unit}", days=[20] * days)


@activity.defn
async def broken() -> str:
    """Always fails."""
    raise LookupError("no such record: 42")


@activity.defn
async def refuses(name: str) -> str:
    """Refuses."""
    raise ValueError(f"{name} is not allowed")


@workflow.defn
class ActivityToolsWorkflow:
    @workflow.run
    async def run(self) -> str:
        once = RetryPolicy(maximum_attempts=1)
        tools: list[Any] = [activity_as_tool(forecast, retry_policy=once)]
        tools += [activity_as_tool(broken, retry_policy=once), activity_as_tool(refuses, retry_policy=once)]
        return str(await TemporalAgent("claude", tools=tools).invoke_async("go"))


async def test_activity_tool_arguments_results_and_errors(agents: Agents) -> None:
    model = ScriptedModel(
        use_tools(
            [
                ("forecast", {"place": {"city": "Bern"}, "unit": "F"}, "a"),
                ("forecast", {"place": {"city": "Bern"}, "days": "many"}, "b"),
                ("broken", {}, "c"),
                ("refuses", {"name": "Eve", "extra": 1}, "d"),
            ]
        ),
        lambda call: say(call.text),
    )
    async with agents(
        workflows=[ActivityToolsWorkflow],
        activities=[forecast, broken, refuses],
        models={"claude": lambda: model},
    ) as env:
        result = await env.run(ActivityToolsWorkflow.run)
        history = await env.handles[0].fetch_history()
    lines = result.split("\n", 1)
    assert lines[0] == '{"place":"Bern/CH/F","days":[20,20]}'
    assert "Error: Validation failed for input parameters" in lines[1]
    assert "Input should be a valid integer" in lines[1]
    assert "Error: LookupError - no such record: 42" in lines[1]
    assert "Error: Eve is not allowed" in lines[1]  # the ValueError's text is the one that Strands gives it
    scheduled = [e.activity_task_scheduled_event_attributes for e in history.events if e.event_type == 10]
    names = [a.activity_type.name for a in scheduled]
    assert names.count("forecast") == 1  # the invalid call was never scheduled


# --- Hooks

audited: list[str] = []


@activity.defn
async def persist_tool_call(tool_name: str) -> None:
    audited.append(tool_name)


class AuditHook(HookProvider):
    def __init__(self) -> None:
        self.fired: list[str] = []

    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        registry.add_callback(AfterToolCallEvent, self._record)
        registry.add_callback(
            AfterToolCallEvent,
            activity_as_hook(
                persist_tool_call,
                activity_input=lambda event: event.tool_use["name"],
                start_to_close_timeout=timedelta(seconds=15),
            ),
        )

    def _record(self, event: AfterToolCallEvent[Any]) -> None:
        self.fired.append(event.tool_use["name"])


@workflow.defn
class HooksWorkflow:
    def __init__(self) -> None:
        self.hook = AuditHook()
        self.agent = TemporalAgent(
            model="claude",
            start_to_close_timeout=timedelta(seconds=60),
            tools=[letter_counter],
            hooks=[self.hook],
        )

    @workflow.run
    async def run(self, prompt: str) -> list[str]:
        result = await self.agent.invoke_async(prompt)
        return [str(result).strip(), *self.hook.fired]


async def test_hooks_in_the_workflow_and_as_activities(agents: Agents) -> None:
    audited.clear()
    model = ScriptedModel(
        use_tool("letter_counter", {"word": "hook", "letter": "o"}), lambda call: say(f"counted {call.text}")
    )
    async with agents(
        workflows=[HooksWorkflow], activities=[persist_tool_call], models={"claude": lambda: model}
    ) as env:
        assert await env.run(HooksWorkflow.run, "count") == ["counted 2", "letter_counter"]
    assert audited == ["letter_counter"]  # once: the replay did not run it again


class Guard(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: object) -> None:
        registry.add_callback(
            BeforeToolCallEvent, activity_as_hook(guard, activity_input=lambda e: e.tool_use["name"])
        )


@activity.defn
async def guard(tool_name: str) -> None:
    raise ApplicationError(f"{tool_name} is not allowed today", type="Denied", non_retryable=True)


@workflow.defn
class GuardedWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("claude", tools=[letter_counter], hooks=[Guard()])
        return str(await agent.invoke_async("count"))


async def test_a_hook_that_fails_ends_the_workflow_and_the_tool_does_not_run(agents: Agents) -> None:
    model = ScriptedModel(use_tool("letter_counter", {"word": "hook", "letter": "o"}))
    async with agents(
        workflows=[GuardedWorkflow], activities=[guard], models={"claude": lambda: model}
    ) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(GuardedWorkflow.run)
    assert "letter_counter is not allowed today" in str(failure.value.cause)
    assert len(model.calls) == 1
