"""The guide's sections about core, written by us. Each test asserts the outcome that a user sees."""

from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from pydantic import BaseModel, Field
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal import StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, fail, say, use_tool

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
    monkeypatch.setattr("strands_temporal._worker.model_factories.default_model", lambda: model)
    async with agents(workflows=[HelloWorkflow], plugins=[StrandsPlugin()]) as env:
        result = await env.run(HelloWorkflow.run, "Write a haiku about durable execution.")
    assert result == "A haiku for: Write a haiku about durable execution.\n"


@pytest.mark.parametrize("where", ["client", "worker", "both"])
async def test_plugin_on_client_worker_or_both(
    client: Client, where: str, worker_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from temporalio.worker import Worker

    model = ScriptedModel(lambda call: say(f"heard {call.text}"))
    monkeypatch.setattr("strands_temporal._worker.model_factories.default_model", lambda: model)
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
    assert made == ["claude", "bedrock"]  # each made once per worker; "other" was never needed


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
        say("John is 30."),  # the model forgets the tool, so Strands forces it
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
    assert not any(e.event_type == 17 for e in history.events)  # no timer from Strands' own retry strategy


async def test_exhausted_retries_raise_the_strands_exception_in_the_workflow(agents: Agents) -> None:
    model = ScriptedModel(lambda call: fail(ModelThrottledException("slow down")))
    async with agents(workflows=[RetriesWorkflow], models={"claude": lambda: model}) as env:
        assert await env.run(RetriesWorkflow.run, 3) == "still throttled: slow down"
    assert len(model.calls) == 3
