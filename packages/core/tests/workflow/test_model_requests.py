"""A provider gets the same HTTP requests from a plain agent and from a durable one."""

import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from conftest import Agents
from packages.core.tests.model_http import (
    Answer,
    Provider,
    anthropic_refuses,
    anthropic_says,
    openai_object,
    openai_says,
    provider,
    responses_say,
)
from pydantic import BaseModel, Field
from strands import Agent, tool
from strands.models import CacheConfig, Model
from strands.models.anthropic import AnthropicModel
from strands.models.openai import OpenAIModel
from strands.models.openai_responses import OpenAIResponsesModel
from strands.session import SessionManager
from temporalio import workflow
from typing_extensions import override

from strands_temporal import TemporalModel

pytestmark = pytest.mark.server

PNG: Any = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\x00\xff"}}}
PDF: Any = {"document": {"format": "pdf", "name": "paper", "source": {"bytes": b"%PDF plain ascii"}}}


class Street(BaseModel):
    """A street."""

    name: str
    number: int | None = None


class Address(BaseModel):
    """Where somebody lives."""

    street: Street
    country: Literal["CH", "FR"] = Field(description="Two letters", alias="land")


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


class InMemorySession(SessionManager):
    """Gives the agent a session id, from which providers derive a prompt cache key."""

    session_id = "s-1"

    @override
    def redact_latest_message(self, redact_message: Any, agent: Any, **kwargs: Any) -> None: ...
    @override
    def append_message(self, message: Any, agent: Any, **kwargs: Any) -> None: ...
    @override
    def sync_agent(self, agent: Any, **kwargs: Any) -> None: ...
    @override
    def initialize(self, agent: Any, **kwargs: Any) -> None: ...


@dataclass(frozen=True)
class Case:
    """A conversation, the provider's answers, and a check that the requests contain the case's subject."""

    provider: str
    drive: Callable[[Model], Awaitable[Any]]
    answers: tuple[Answer, ...]
    said: Callable[[list[Any]], bool]


def agent(model: Model, **arguments: Any) -> Agent:
    return Agent(model, callback_handler=None, retry_strategy=None, **arguments)


async def tool_loop(model: Model) -> Any:
    system: Any = [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}, {"text": "Or be gone."}]
    assistant = agent(model, tools=[weather], system_prompt=system)
    result = await assistant.invoke_async([{"text": "And here?"}, PNG, PDF])
    return [str(result), len(assistant.messages)]


async def session(model: Model) -> Any:
    assistant = agent(model, session_manager=InMemorySession())
    return str(await assistant.invoke_async("hello"))


async def structured(model: Model) -> Any:
    result = await agent(model, tools=[weather]).invoke_async("Who?", structured_output_model=Address)
    assert isinstance(result.structured_output, Address)
    return result.structured_output.model_dump()


async def own_structured_output(model: Model) -> Any:
    messages: Any = [{"role": "user", "content": [{"text": "Who?"}]}]
    events = [event async for event in model.structured_output(Address, messages, system_prompt="Extract.")]
    kinds = [next(iter(event)) for event in events]
    return [kinds, events[-1]["output"].model_dump()]


def local_address() -> type[BaseModel]:
    """Return a class with nested classes, which cannot be imported by name."""

    class Person(Address):
        """Somebody who lives somewhere."""

        home: Address
        friends: list[Address] = []

    return Person


async def local_structured(model: Model) -> Any:
    result = await agent(model, tools=[weather]).invoke_async("Who?", structured_output_model=local_address())
    assert result.structured_output
    return result.structured_output.model_dump()


async def local_own_structured_output(model: Model) -> Any:
    messages: Any = [{"role": "user", "content": [{"text": "Who?"}]}]
    events = [event async for event in model.structured_output(local_address(), messages)]
    return events[-1]["output"].model_dump()


async def two_turns(model: Model) -> Any:
    assistant = agent(model)
    first = await assistant.invoke_async("one")
    kept = len(assistant.messages)
    return [str(first), kept, str(await assistant.invoke_async("two")), len(assistant.messages)]


ADDRESS = {"street": {"name": "Marktgasse", "number": 3}, "land": "CH"}
PERSON = {**ADDRESS, "home": ADDRESS, "friends": [ADDRESS]}
NOT_FORCED = anthropic_refuses('tool_choice: type "tool" and "any" are not supported with this model')
NAMED_CASES = {
    "openai, tool loop with media": Case(
        "openai",
        tool_loop,
        (openai_says(weather={"city": "Bern"}), openai_says("Sunny.")),
        lambda asked: "iVBORwD/" in str(asked[1]) and "sunny in Bern" in str(asked[1]),
    ),
    "openai, prompt cache key": Case(
        "openai", session, (openai_says("hi"),), lambda asked: asked[0]["prompt_cache_key"] == "strands-s-1"
    ),
    "openai, structured output": Case(
        "openai",
        structured,
        (openai_says("a person"), openai_says(Address=ADDRESS)),
        lambda asked: [len(a["tools"]) for a in asked] == [2, 1],
    ),
    "openai, the model's structured_output": Case(
        "openai",
        own_structured_output,
        (openai_object(ADDRESS),),
        lambda asked: asked[0]["response_format"]["json_schema"]["name"] == "Address",
    ),
    "responses, stateful": Case(
        "responses",
        two_turns,
        (responses_say("1", "r1"), responses_say("2", "r2")),
        lambda asked: len(asked[1]["input"]) == 1 and asked[1]["previous_response_id"] == "r1",
    ),
    "anthropic, tool loop with media": Case(
        "anthropic",
        tool_loop,
        (anthropic_says("?", weather={"city": "Bern"}), anthropic_says("Sunny.")),
        lambda asked: "cache_control" in str(asked[0]["system"]) and "iVBORwD/" in str(asked[1]),
    ),
    "anthropic, structured output forced": Case(
        "anthropic",
        structured,
        (anthropic_says("a person"), anthropic_says(Address=ADDRESS)),
        lambda asked: [len(a["tools"]) for a in asked] == [2, 2],
    ),
    "anthropic, structured output native": Case(
        "anthropic",
        structured,
        (
            anthropic_says("a person"),
            NOT_FORCED,
            anthropic_says(json.dumps(ADDRESS)),
        ),
        lambda asked: asked[2]["output_config"]["format"]["type"] == "json_schema",
    ),
    "anthropic, the model's structured_output": Case(
        "anthropic",
        own_structured_output,
        (anthropic_says(Address=ADDRESS),),
        lambda asked: asked[0]["tools"][0]["name"] == "Address",
    ),
}


LOCAL_CASES = {
    "openai, the model's structured_output of a local class": Case(
        "openai",
        local_own_structured_output,
        (openai_object(PERSON),),
        lambda asked: asked[0]["response_format"]["json_schema"]["name"] == "Person",
    ),
    "anthropic, native structured output of a local class": Case(
        "anthropic",
        local_structured,
        (anthropic_says("a person"), NOT_FORCED, anthropic_says(json.dumps(PERSON))),
        lambda asked: asked[2]["output_config"]["format"]["type"] == "json_schema",
    ),
    "anthropic, the model's structured_output of a local class": Case(
        "anthropic",
        local_own_structured_output,
        (anthropic_says(Person=PERSON),),
        lambda asked: asked[0]["tools"][0]["name"] == "Person",
    ),
}


CASES = NAMED_CASES | LOCAL_CASES


@workflow.defn
class CaseWorkflow:
    @workflow.run
    async def run(self, case: str) -> Any:
        return await CASES[case].drive(TemporalModel("model"))


def real_model(name: str, url: str, model_id: str) -> Model:
    client: Any = {"base_url": f"{url}/v1", "api_key": "sk-very-secret", "max_retries": 0}
    if name == "openai":
        return OpenAIModel(client_args=client, model_id=model_id, cache_config=CacheConfig())
    if name == "responses":
        return OpenAIResponsesModel(client_args=client, model_id=model_id, stateful=True)
    return AnthropicModel(
        client_args={**client, "base_url": url}, model_id=model_id, max_tokens=100, cache_config=CacheConfig()
    )


@pytest.fixture(scope="module")
def http() -> Generator[Provider]:
    with provider() as running:
        yield running


def asked(http: Provider) -> list[Any]:
    """Return path and body of the requests so far, without the name of the model.

    The two agents use different names, because Strands remembers by name what a model refused.
    """
    return [
        (path, {key: value for key, value in body.items() if key != "model"}) for path, body in http.requests
    ]


@pytest.mark.filterwarnings("ignore:.*reasoningContent")
@pytest.mark.parametrize("name", CASES)
async def test_a_provider_is_asked_the_same(agents: Agents, http: Provider, name: str) -> None:
    case = CASES[name]
    http.play(case.answers)
    seen = await case.drive(real_model(case.provider, http.url, f"plain {name}"))
    plain = asked(http)
    http.play(case.answers)
    made = lambda: real_model(case.provider, http.url, f"durable {name}")  # noqa: E731
    async with agents(workflows=[CaseWorkflow], models={"model": made}) as env:
        assert await env.run(CaseWorkflow.run, name) == seen
        history = await env.handles[0].fetch_history()
    assert case.said([body for _, body in plain])
    assert asked(http) == plain
    assert b"sk-very-secret" not in b"".join(event.SerializeToString() for event in history.events)
