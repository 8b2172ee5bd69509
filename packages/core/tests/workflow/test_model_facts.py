"""A model's metadata and its configuration, as the workflow sees them across the activity boundary."""

import base64
import copy
import re
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.failures import failure_of
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.models.openai import OpenAIModel
from temporalio import workflow
from typing_extensions import override

from strands_temporal import AgentTypeError, AgentValueError, TemporalAgent, TemporalModel
from strands_temporal._upstream.private_api import enforces_structured_output
from strands_temporal._worker.model_facts import safe_config
from strands_temporal.testing import ScriptedModel, say

# --- Facts


class Secretive(ScriptedModel):
    """A provider with a realistic configuration, including secrets."""

    def __init__(self) -> None:
        super().__init__(
            lambda call: say("ok"),
            config={
                "context_window_limit": 1234,
                "max_tokens": 77,
                "params": {
                    "temperature": 0.5,
                    "extra_headers": {"authorization": "sk-in-params"},
                    "user": "u",
                },
                "api_key": "sk-in-config",
                "client_args": {"api_key": "sk-in-client"},
                "additional_args": {"token": "sk-in-additional"},
                "boto_session": object(),
                "top_p": object(),
            },
        )


@workflow.defn
class FactsWorkflow:
    @workflow.run
    async def run(self) -> Any:
        model = TemporalModel("model")
        agent = Agent(model, callback_handler=None)
        before = [model.get_config(), model.context_window_limit, model.stateful]
        await agent.invoke_async("go")
        await agent.invoke_async("go on")
        return [before, model.get_config(), model.context_window_limit, model.stateful]


@pytest.mark.server
async def test_facts_come_with_the_first_answer_and_secrets_stay(agents: Agents) -> None:
    async with agents(workflows=[FactsWorkflow], models={"model": Secretive}) as env:
        before, *after = await env.run(FactsWorkflow.run)
        history = (await env.handles[0].fetch_history()).to_json()
    assert before == [{}, None, False]
    config = {
        "model_id": "scripted",
        "context_window_limit": 1234,
        "max_tokens": 77,
        "params": {"temperature": 0.5},
    }
    assert after == [config, 1234, False]
    assert "sk-in" not in _plain_text(history)
    assert (
        _plain_text(history).count('"max_tokens":77') == 2
    )  # in one of two answers, and in this run's result


def _plain_text(history: str) -> str:
    """Return the history as text, with its base64 payloads decoded."""
    payloads = re.findall(r'"data": "([A-Za-z0-9+/=]+)"', history)
    return "\n".join([history, *(base64.b64decode(data).decode("utf-8", "replace") for data in payloads)])


def test_what_a_real_provider_tells() -> None:
    model = OpenAIModel(
        client_args={"api_key": "sk-1", "base_url": "http://x"},
        model_id="gpt-4o",
        params={"max_tokens": 5, "metadata": {"token": "sk-2"}, "stop": ["a", "b"]},
    )
    told = safe_config(model.get_config())
    assert told == {
        "model_id": "gpt-4o",
        "params": {"max_tokens": 5, "stop": ["a", "b"]},
        "context_window_limit": model.context_window_limit,
    }
    assert model.context_window_limit


@workflow.defn
class DeclaredWorkflow:
    @workflow.run
    async def run(self) -> Any:
        model = TemporalModel("model", context_window_limit=10, config={"model_id": "m-1"}, stateful=True)
        refused = ""
        try:
            TemporalAgent(model, conversation_manager=SlidingWindowConversationManager())
        except AgentValueError as error:
            refused = str(error)
        agent = TemporalAgent(model, callback_handler=None)
        await agent.invoke_async("go")
        assert model.config == model.get_config()  # where Strands' spans find the model id
        return [refused, model.get_config(), model.estimate_utilization(5), len(agent.messages)]


@pytest.mark.server
async def test_what_is_declared_is_known_at_once_and_wins(agents: Agents) -> None:
    model = ScriptedModel(say("ok"), config={"context_window_limit": 999})
    async with agents(workflows=[DeclaredWorkflow], models={"model": lambda: model}) as env:
        refused, config, used, kept = await env.run(DeclaredWorkflow.run)
    assert "cannot be used with a stateful model" in refused
    assert config == {"model_id": "m-1", "context_window_limit": 10}
    assert (used, kept) == (0.5, 0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"stateful": "yes"}, AgentTypeError, "stateful='yes' is not True or False"),
        ({"context_window_limit": "8k"}, AgentTypeError, "context_window_limit='8k' is not a number"),
        ({"context_window_limit": 0}, AgentValueError, "context_window_limit=0 is not positive"),
        ({"config": "gpt"}, AgentTypeError, "config='gpt' is not a mapping"),
    ],
)
def test_a_wrong_declaration_is_refused(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TemporalModel("m", **arguments)


class Unwilling(ScriptedModel):
    @override
    def get_config(self) -> Any:
        raise RuntimeError("ask again later")


@pytest.mark.server
async def test_a_model_that_cannot_tell_its_configuration_still_answers(agents: Agents) -> None:
    model = Unwilling(lambda call: say("ok"))
    async with agents(workflows=[FactsWorkflow], models={"model": lambda: model}) as env:
        assert (await env.run(FactsWorkflow.run))[1:] == [{}, None, False]


def test_where_strands_keeps_that_a_provider_enforces_structured_output() -> None:
    """Fails if Strands keeps this elsewhere: see `enforces_structured_output`."""
    from strands.models.anthropic import AnthropicModel

    assert enforces_structured_output(
        AnthropicModel(client_args={"api_key": "x"}, model_id="m", max_tokens=1)
    )
    assert enforces_structured_output(TemporalModel("m")) is False
    assert not enforces_structured_output(OpenAIModel(client_args={"api_key": "x"}, model_id="m"))


# --- Configuration


class Configured(ScriptedModel):
    """Answers with its own temperature."""

    def __init__(self) -> None:
        super().__init__(lambda call: say(f"{self.get_config().get('temperature', 'default')}"))


@workflow.defn
class UpdateConfigWorkflow:
    @workflow.run
    async def run(self) -> Any:
        model, other = TemporalModel("model"), TemporalModel("model")
        agent, others = Agent(model, callback_handler=None), Agent(other, callback_handler=None)
        said = [str(await agent.invoke_async("a"))]
        model.update_config(temperature=0.7, params={"seed": 1})
        said += [str(await agent.invoke_async("b")), str(await others.invoke_async("c"))]
        model.update_config(temperature=0.9)
        said += [str(await agent.invoke_async("d"))]
        copied = Agent(copy.deepcopy(model), callback_handler=None)
        said += [str(await copied.invoke_async("e"))]
        return [[text.strip() for text in said], model.get_config()]


@pytest.mark.server
async def test_update_config_reaches_the_model_and_nobody_else(agents: Agents) -> None:
    made: list[Configured] = []

    def make() -> Configured:
        made.append(Configured())
        return made[-1]

    async with agents(workflows=[UpdateConfigWorkflow], models={"model": make}) as env:
        for _ in range(2):  # the second run makes nothing new
            said, config = await env.run(UpdateConfigWorkflow.run)
            assert said == ["default", "0.7", "default", "0.9", "0.9"]
            assert config == {"model_id": "scripted", "temperature": 0.9, "params": {"seed": 1}}
    assert len(made) == 3
    assert made[0].get_config() == {"model_id": "scripted"}


@workflow.defn
class RefusedConfigWorkflow:
    @workflow.run
    async def run(self, what: str) -> None:
        settings: Any = {
            "secret": {"api_key": "sk-1"},
            "nested": {"params": {"extra_headers": {"Authorization": "sk-2"}}},
            "object": {"cache_config": object()},
            "unknown": {"colour": "red"},
        }
        model = TemporalModel("model")
        model.update_config(**settings[what])
        await Agent(model, callback_handler=None).invoke_async("go")


class Strict(ScriptedModel):
    @override
    def update_config(self, **model_config: Any) -> None:
        raise TypeError(f"no {sorted(model_config)}")


@pytest.mark.server
@pytest.mark.parametrize(
    ("what", "type", "message"),
    [
        ("secret", "AgentValueError", "'api_key' would be written into the workflow's history"),
        ("nested", "AgentValueError", "'Authorization' would be written into the workflow's history"),
        ("object", "AgentTypeError", "a object cannot cross to the worker"),
        ("unknown", "ModelFactoryFailed", 'Strict, the model \'model\', refused {"colour": "red"}'),
    ],
)
async def test_a_configuration_that_cannot_work_ends_the_run(
    agents: Agents, what: str, type: str, message: str
) -> None:
    async with agents(workflows=[RefusedConfigWorkflow], models={"model": Strict}) as env:
        cause = await failure_of(env, RefusedConfigWorkflow.run, what)
        history = (await env.handles[0].fetch_history()).to_json()
    assert cause.type == type
    assert message in cause.message
    assert "sk-" not in _plain_text(history)


def test_max_tokens_is_no_secret() -> None:
    model = TemporalModel("m")
    model.update_config(max_tokens=5, use_native_token_count=True)
    assert model.get_config() == {"max_tokens": 5, "use_native_token_count": True}
