"""The guide's core sections, in our own words: each test asserts the outcome that a user sees."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from pydantic import BaseModel, Field
from strands import tool
from strands.hooks import AfterToolCallEvent, BeforeToolCallEvent, HookProvider, HookRegistry
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedCall, ScriptedModel, fail, say, use_tool, use_tools
from strands_temporal.workflow import activity_as_hook, activity_as_tool

with workflow.unsafe.imports_passed_through():
    from strands import Agent
    from strands.types.exceptions import ModelThrottledException

pytestmark = pytest.mark.server


# --- Hello world


@workflow.defn
class HelloWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent(start_to_close_timeout=timedelta(seconds=60))

    @workflow.run
    async def run(self, prompt: str) -> str:
        result = await self.agent.invoke_async(prompt)
        return str(result)


async def test_hello_world_uses_strands_default_model(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(lambda call: say(f"A haiku for: {call.text}"))
    monkeypatch.setattr("strands_temporal._plugin.default_model", lambda: model)
    async with agents(workflows=[HelloWorkflow], plugins=[StrandsPlugin()]) as env:
        result = await env.run(HelloWorkflow.run, "Write a haiku about durable execution.")
    assert result == "A haiku for: Write a haiku about durable execution.\n"


@pytest.mark.parametrize("where", ["client", "worker", "both"])
async def test_plugin_on_client_worker_or_both(
    client: Client, where: str, worker_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from temporalio.worker import Worker

    model = ScriptedModel(lambda call: say(f"heard {call.text}"))
    monkeypatch.setattr("strands_temporal._plugin.default_model", lambda: model)
    plugin = StrandsPlugin()
    on_client = Client(client.service_client, plugins=[plugin] if where in ("client", "both") else [])
    on_worker = [plugin] if where in ("worker", "both") else []
    queue = f"plugin-on-{where}"
    worker = Worker(
        on_client, task_queue=queue, workflows=[HelloWorkflow], plugins=on_worker, **worker_options
    )
    async with worker:
        result = await on_client.execute_workflow(
            HelloWorkflow.run, "hi", id=f"hello-{where}-{len(worker_options)}", task_queue=queue
        )
    assert result == "heard hi\n"


async def test_a_plain_strands_agent_is_durable_with_a_temporal_model(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say(f"plain agent heard {call.text}"))
    async with agents(workflows=[PlainAgentWorkflow], models={"claude": lambda: model}) as env:
        assert await env.run(PlainAgentWorkflow.run, "hi") == "plain agent heard hi\n"
        history = await env.handles[0].fetch_history()
    scheduled = [e.activity_task_scheduled_event_attributes for e in history.events if e.event_type == 10]
    assert [a.activity_type.name for a in scheduled] == ["invoke_model"]
    assert scheduled[0].start_to_close_timeout.seconds == 60


@workflow.defn
class PlainAgentWorkflow:
    @workflow.run
    async def run(self, prompt: str) -> str:
        model = TemporalModel("claude", start_to_close_timeout=timedelta(seconds=60))
        return str(await Agent(model=model, callback_handler=None).invoke_async(prompt))


# --- Models


@workflow.defn
class MultiModelWorkflow:
    def __init__(self) -> None:
        self.agent_a = TemporalAgent(model="claude", start_to_close_timeout=timedelta(seconds=60))
        self.agent_b = TemporalAgent(model="bedrock", start_to_close_timeout=timedelta(seconds=30))

    @workflow.run
    async def run(self, prompt: str) -> list[str]:
        first = await self.agent_a.invoke_async(prompt)
        second = await self.agent_b.invoke_async(str(first))
        return [str(first), str(second)]


async def test_each_agent_uses_its_named_model_and_factories_are_called_once(agents: Agents) -> None:
    made: list[str] = []

    def factory(name: str) -> ScriptedModel:
        made.append(name)
        return ScriptedModel(lambda call: say(f"{name} heard {call.text.strip()}"))

    models = {
        "claude": lambda: factory("claude"),
        "bedrock": lambda: factory("bedrock"),
        "other": lambda: factory("o"),
    }
    async with agents(workflows=[MultiModelWorkflow], models=models) as env:
        assert made == []  # lazy
        for _ in range(2):
            assert await env.run(MultiModelWorkflow.run, "hi") == [
                "claude heard hi\n",
                "bedrock heard claude heard hi\n",
            ]
    assert made == ["claude", "bedrock"]  # once each for the worker's life; "other" was never needed


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
    """Ask for all three tools, then answer with what they really returned."""
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
    assert "Error: Eve is not allowed" in lines[1]  # a ValueError is worded as Strands words it
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


# --- Structured output


class PersonInfo(BaseModel):
    name: str = Field(description="Name of the person")
    age: int = Field(description="Age of the person")
    occupation: str = Field(description="Occupation of the person")


@workflow.defn
class StructuredOutputWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent(
            model="claude", start_to_close_timeout=timedelta(seconds=60), structured_output_model=PersonInfo
        )

    @workflow.run
    async def run(self, prompt: str) -> PersonInfo:
        result = await self.agent.invoke_async(prompt)
        assert isinstance(result.structured_output, PersonInfo)
        return result.structured_output


async def test_structured_output_comes_back_typed_after_a_forced_call_and_a_correction(
    agents: Agents,
) -> None:
    model = ScriptedModel(
        say("John is 30."),  # the model forgets the tool, Strands forces it
        use_tool("PersonInfo", {"name": "John", "age": "thirty", "occupation": "engineer"}, tool_use_id="p1"),
        lambda call: (
            use_tool("PersonInfo", {"name": "John", "age": 30, "occupation": "engineer"}, tool_use_id="p2")
            if "age" in call.text
            else say("no correction was asked for")
        ),
    )
    async with agents(workflows=[StructuredOutputWorkflow], models={"claude": lambda: model}) as env:
        result = await env.run(StructuredOutputWorkflow.run, "John is a 30 year old engineer")
    assert result == PersonInfo(name="John", age=30, occupation="engineer")
    assert model.calls[1].tool_choice == {"tool": {"name": "PersonInfo"}}


# --- Retries


@workflow.defn
class RetriesWorkflow:
    @workflow.run
    async def run(self, attempts: int) -> str:
        agent = TemporalAgent(
            model="claude",
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=attempts, initial_interval=timedelta(milliseconds=10)),
        )
        try:
            return str(await agent.invoke_async("hi"))
        except ModelThrottledException as error:
            return f"still throttled: {error}"


async def test_temporal_retries_and_strands_does_not(agents: Agents) -> None:
    throttled = fail(ModelThrottledException("slow down"))
    model = ScriptedModel(throttled, throttled, say("third time lucky"))
    async with agents(workflows=[RetriesWorkflow], models={"claude": lambda: model}) as env:
        assert await env.run(RetriesWorkflow.run, 3) == "third time lucky\n"
        history = await env.handles[0].fetch_history()
    assert len(model.calls) == 3
    assert sum(e.event_type == 10 for e in history.events) == 1  # one activity, three attempts
    assert not any(e.event_type == 17 for e in history.events)  # no timer of Strands' own strategy


async def test_exhausted_retries_raise_the_strands_exception_in_the_workflow(agents: Agents) -> None:
    model = ScriptedModel(lambda call: fail(ModelThrottledException("slow down")))
    async with agents(workflows=[RetriesWorkflow], models={"claude": lambda: model}) as env:
        assert await env.run(RetriesWorkflow.run, 3) == "still throttled: slow down"
    assert len(model.calls) == 3
