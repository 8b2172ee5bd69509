"""The guide's first sections with the default plugin: Strands' Bedrock model and boto3 over real HTTP."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from pydantic import BaseModel, Field
from strands import Agent, tool
from strands.models.anthropic import AnthropicModel
from strands.models.bedrock import BedrockModel
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal._worker.model_factories import default_model
from strands_temporal.testing import assert_replays
from strands_temporal.workflow import activity_as_tool

with workflow.unsafe.imports_passed_through():
    from integration_tests.bedrock_stand_in import Reply, Request, bedrock_stand_in

pytestmark = pytest.mark.server

MINUTE = timedelta(seconds=60)
Serve = Callable[[Callable[[Request], Reply]], Any]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Replaces Bedrock's endpoint: `with serve(answer) as asked`. `asked` is the list of requests."""

    @contextmanager
    def serve(answer: Callable[[Request], Reply]) -> Generator[list[Request]]:
        asked: list[Request] = []

        def noted(request: Request) -> Reply:
            asked.append(request)
            return answer(request)

        with bedrock_stand_in(noted) as variables:
            monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            yield asked

    return serve


# --- Hello world


@workflow.defn
class HelloWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent(start_to_close_timeout=MINUTE)

    @workflow.run
    async def run(self, prompt: str) -> str:
        result = await self.agent.invoke_async(prompt)
        return str(result)


async def test_hello_world_with_the_plugin_as_it_is(
    agents: Agents, client: Client, serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = "Process falls asleep;\nhistory keeps every word."
    with serve(lambda request: answer) as asked:
        async with agents(workflows=[HelloWorkflow], plugins=[StrandsPlugin()]) as env:
            assert await env.run(HelloWorkflow.run, "A haiku, please.") == f"{answer}\n"
            bare = await client.execute_workflow(  # the client needs no plugin
                HelloWorkflow.run, "Another.", id=f"{env.task_queue}-bare", task_queue=env.task_queue
            )
    assert bare == f"{answer}\n"
    assert [request.prompt for request in asked] == ["A haiku, please.", "Another."]
    model_id = BedrockModel().get_config().get("model_id")
    assert asked[0].path.replace("%3A", ":") == f"/model/{model_id}/converse-stream"
    assert capfd.readouterr().out.count(answer) == 2  # on the worker's terminal, not again at the replay


def test_the_default_model_is_strands_own_without_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    ours: Any = default_model()
    plain = BedrockModel()
    assert ours.get_config() == plain.get_config()
    assert ours.client.meta.config.read_timeout == plain.client.meta.config.read_timeout
    assert ours.client.meta.config.retries["total_max_attempts"] == 1


# --- Models


@workflow.defn
class MultiModelWorkflow:
    def __init__(self) -> None:
        self.agent_a = TemporalAgent(model="claude", start_to_close_timeout=MINUTE)
        self.agent_b = TemporalAgent(model="bedrock", start_to_close_timeout=MINUTE)

    @workflow.run
    async def run(self, name: str) -> str:
        agent = self.agent_a if name == "claude" else self.agent_b
        return str(await agent.invoke_async("hi"))


async def test_real_providers_by_name_with_the_plugin_on_the_worker(
    client: Client, serve: Serve, worker_options: dict[str, Any]
) -> None:
    def claude() -> AnthropicModel:  # as in the guide: a plain agent misses the same settings
        return AnthropicModel(client_args={"api_key": "none"})  # pyright: ignore[reportCallIssue]

    plugin = StrandsPlugin(models={"claude": claude, "bedrock": lambda: BedrockModel()})
    queue = "models-over-the-wire"
    ids = [f"{queue}-{name}-{len(worker_options)}" for name in ("claude", "bedrock")]
    with serve(lambda request: "from bedrock"):
        worker = Worker(
            client, task_queue=queue, workflows=[MultiModelWorkflow], plugins=[plugin], **worker_options
        )
        async with worker:
            with pytest.raises(WorkflowFailureError) as failure:
                await client.execute_workflow(MultiModelWorkflow.run, "claude", id=ids[0], task_queue=queue)
            answer = await client.execute_workflow(
                MultiModelWorkflow.run, "bedrock", id=ids[1], task_queue=queue
            )
    assert answer == "from bedrock\n"
    with pytest.raises(KeyError) as plain:
        await Agent(model=claude(), callback_handler=None).invoke_async("hi")
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.message) == ("KeyError", str(plain.value))
    for workflow_id in ids:
        await assert_replays(client.get_workflow_handle(workflow_id), [MultiModelWorkflow], plugins=[plugin])


@workflow.defn
class UnknownModelWorkflow:
    @workflow.run
    async def run(self) -> str:
        return str(await TemporalAgent(model="claud", start_to_close_timeout=MINUTE).invoke_async("hi"))


async def test_an_unknown_name_is_a_value_error_in_the_activity(agents: Agents) -> None:
    models = {"claude": BedrockModel, "bedrock": BedrockModel}
    async with agents(workflows=[UnknownModelWorkflow], models=models) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(UnknownModelWorkflow.run)
        history = await env.handles[0].fetch_history()
    assert "Unknown model 'claud'" in str(failure.value.cause)
    assert "Known: ['bedrock', 'claude']" in str(failure.value.cause)
    failed = EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED
    (event,) = [event for event in history.events if event.event_type == failed]
    info = event.activity_task_failed_event_attributes.failure.application_failure_info
    assert (info.type, info.non_retryable) == ("ValueError", True)


# --- Tools


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count how often a letter occurs in a word."""
    return word.lower().count(letter.lower())


@activity.defn
async def fetch_weather(city: str) -> dict[str, Any]:
    """Look up the weather of a city."""
    return {"city": city, "temperature_f": 72, "conditions": "sunny"}


@workflow.defn
class ToolsWorkflow:
    def __init__(self) -> None:
        weather = activity_as_tool(fetch_weather, start_to_close_timeout=timedelta(seconds=30))
        self.agent = TemporalAgent(start_to_close_timeout=MINUTE, tools=[letter_counter, weather])

    @workflow.run
    async def run(self, prompt: str) -> str:
        return str(await self.agent.invoke_async(prompt))


async def test_tools_are_called_and_answer_over_the_wire(agents: Agents, serve: Serve) -> None:
    def answer(request: Request) -> Reply:
        if request.results:
            return " and ".join(request.results)
        return [
            ("letter_counter", {"word": "Strawberry", "letter": "R"}),
            ("fetch_weather", {"city": "Zürich"}),
        ]

    with serve(answer) as asked:
        running = agents(workflows=[ToolsWorkflow], activities=[fetch_weather], plugins=[StrandsPlugin()])
        async with running as env:
            result = await env.run(ToolsWorkflow.run, "count, and look outside")
    assert result == '3 and {"city": "Zürich", "temperature_f": 72, "conditions": "sunny"}\n'
    assert [request.tools for request in asked] == [["letter_counter", "fetch_weather"]] * 2


# --- Structured output


class PersonInfo(BaseModel):
    name: str = Field(description="Name of the person")
    age: int = Field(description="Age of the person")
    occupation: str = Field(description="Occupation of the person")


@workflow.defn
class StructuredOutputWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent(start_to_close_timeout=MINUTE, structured_output_model=PersonInfo)

    @workflow.run
    async def run(self, prompt: str) -> PersonInfo:
        result = await self.agent.invoke_async(prompt)
        assert isinstance(result.structured_output, PersonInfo)
        return result.structured_output


async def test_structured_output_is_forced_and_typed(agents: Agents, serve: Serve) -> None:
    john = {"name": "John", "age": 30, "occupation": "engineer"}

    def answer(request: Request) -> Reply:
        return [("PersonInfo", john)] if request.forced == "PersonInfo" else "John is 30."

    with serve(answer) as asked:
        async with agents(workflows=[StructuredOutputWorkflow], plugins=[StrandsPlugin()]) as env:
            result = await env.run(StructuredOutputWorkflow.run, "John is a 30 year old engineer")
    assert result == PersonInfo(name="John", age=30, occupation="engineer")
    assert [request.forced for request in asked] == [None, "PersonInfo"]


# --- Retries


@workflow.defn
class RetriesWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent(start_to_close_timeout=MINUTE, retry_policy=RetryPolicy(maximum_attempts=3))
        return str(await agent.invoke_async("hi"))


@pytest.mark.parametrize("throttled", [2, 3])
async def test_temporal_alone_counts_the_attempts(agents: Agents, serve: Serve, throttled: int) -> None:
    replies: list[Reply] = [*[429] * throttled, "at last"]
    with serve(lambda request: replies.pop(0)) as asked:
        async with agents(workflows=[RetriesWorkflow], plugins=[StrandsPlugin()]) as env:
            if throttled < 3:
                assert await env.run(RetriesWorkflow.run) == "at last\n"
            else:
                with pytest.raises(WorkflowFailureError) as failure:
                    await env.run(RetriesWorkflow.run)
                assert isinstance(failure.value.cause, ApplicationError)
                assert failure.value.cause.type == "ModelThrottledException"
    assert len(asked) == 3  # neither boto3 nor Strands retries
