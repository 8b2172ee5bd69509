"""The rest of Strands' `Model` over the activity boundary: facts, configuration, counts, state."""

import asyncio
import base64
import copy
import logging
import pickle
import re
import threading
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import BeforeModelCallEvent
from strands.models.openai import OpenAIModel
from strands.types.content import Messages
from strands.types.streaming import StreamEvent
from temporalio import workflow
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner
from typing_extensions import override

from strands_temporal import AgentTypeError, AgentValueError, TemporalAgent, TemporalModel
from strands_temporal._upstream.private_api import enforces_structured_output
from strands_temporal._worker.model_facts import harmless
from strands_temporal.testing import ScriptedModel, say

HELLO: Messages = [{"role": "user", "content": [{"text": "hello, you there"}]}]


async def failure_of(env: Any, run: Any, *args: Any) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as failure:
        await env.run(run, *args)
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause


# --- Facts


class Secretive(ScriptedModel):
    """A provider whose configuration holds what a real one's does, secrets among it."""

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
    )  # with one of two answers, and as this run's result


def _plain_text(history: str) -> str:
    """Return the history with its payloads, which are base64, as text."""
    payloads = re.findall(r'"data": "([A-Za-z0-9+/=]+)"', history)
    return "\n".join([history, *(base64.b64decode(data).decode("utf-8", "replace") for data in payloads)])


def test_what_a_real_provider_tells() -> None:
    model = OpenAIModel(
        client_args={"api_key": "sk-1", "base_url": "http://x"},
        model_id="gpt-4o",
        params={"max_tokens": 5, "metadata": {"token": "sk-2"}, "stop": ["a", "b"]},
    )
    told = harmless(model.get_config())
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
    """Fails when upstream moves it: see `enforces_structured_output`."""
    from strands.models.anthropic import AnthropicModel

    assert enforces_structured_output(
        AnthropicModel(client_args={"api_key": "x"}, model_id="m", max_tokens=1)
    )
    assert enforces_structured_output(TemporalModel("m")) is False
    assert not enforces_structured_output(OpenAIModel(client_args={"api_key": "x"}, model_id="m"))


# --- Configuration


class Configured(ScriptedModel):
    """Answers its own temperature."""

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
        for _ in range(2):  # the second time nothing is made anew
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


# --- Handles: shared, copied, outside


shared = TemporalModel("model")


@workflow.defn
class SharedHandleWorkflow:
    @workflow.run
    async def run(self, temperature: float | None) -> Any:
        before = [shared.get_config(), shared.context_window_limit]
        if temperature is not None:
            shared.update_config(temperature=temperature)
        one, two = Agent(shared, callback_handler=None), Agent(shared, callback_handler=None)
        said = await asyncio.gather(one.invoke_async("1"), two.invoke_async("2"))
        return [before, [str(result).strip() for result in said], shared.context_window_limit]


@pytest.mark.server
async def test_a_handle_made_at_import_keeps_the_runs_apart(agents: Agents) -> None:
    """Unsandboxed, the runs share the module and so the handle; a replay of one must not need the other."""
    models = {"model": Configured}
    options: Any = {"workflow_runner": UnsandboxedWorkflowRunner()}
    async with agents(workflows=[SharedHandleWorkflow], models=models, **options) as env:
        assert await env.run(SharedHandleWorkflow.run, 0.3) == [[{}, None], ["0.3", "0.3"], None]
        assert await env.run(SharedHandleWorkflow.run, None) == [[{}, None], ["default", "default"], None]
    assert shared.get_config() == {}


def test_a_handle_is_copied_and_pickled_with_what_it_was_given() -> None:
    model = TemporalModel("m", context_window_limit=5, summary="label")
    model.update_config(temperature=1)
    for twin in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301  # its own
        assert repr(twin) == "TemporalModel('m')"
        assert twin.get_config() == {"context_window_limit": 5, "temperature": 1}
    twin = copy.deepcopy(model)
    twin.update_config(temperature=2)
    assert model.get_config()["temperature"] == 1


async def test_outside_a_workflow_a_handle_says_so() -> None:
    model = TemporalModel("m")
    with pytest.raises(RuntimeError, match="works inside a Temporal workflow only"):
        await anext(model.stream(HELLO))
    assert await model.count_tokens(HELLO) == 4


# --- Counting tokens


class Counting(ScriptedModel):
    """Counts by itself."""

    counted: list[Any]

    @override
    async def count_tokens(self, *args: Any, **kwargs: Any) -> int:
        self.counted.append(args)
        return 4242


@workflow.defn
class CountWorkflow:
    @workflow.run
    async def run(self, native: bool) -> Any:
        seen: list[Any] = []
        agent = TemporalAgent(
            TemporalModel("model", use_native_token_count=native),
            system_prompt="Be brief.",
            callback_handler=None,
        )

        def look(event: BeforeModelCallEvent) -> None:
            seen.append(event.projected_input_tokens)

        agent.add_hook(look, BeforeModelCallEvent)
        await agent.invoke_async("hello, you there")
        return seen


@pytest.mark.server
@pytest.mark.parametrize("native", [False, True], ids=["estimate", "native"])
async def test_the_model_counts_tokens_where_asked_to(agents: Agents, native: bool) -> None:
    model = Counting(say("ok"))
    model.counted = []
    async with agents(workflows=[CountWorkflow], models={"model": lambda: model}) as env:
        assert await env.run(CountWorkflow.run, native) == [4242 if native else 7]
    assert len(model.counted) == native
    for messages, specs, prompt, _ in model.counted:
        assert (messages[0]["content"], specs, prompt) == ([{"text": "hello, you there"}], None, "Be brief.")


class CannotCount(ScriptedModel):
    @override
    async def count_tokens(self, *args: Any, **kwargs: Any) -> int:
        raise ValueError("no such method")


@pytest.mark.server
async def test_a_count_that_fails_is_an_estimate(agents: Agents) -> None:
    async with agents(workflows=[CountWorkflow], models={"model": lambda: CannotCount(say("ok"))}) as env:
        assert await env.run(CountWorkflow.run, True) == [7]


# --- What else Strands passes


class Writing(ScriptedModel):
    """Writes into the caller's state, as a provider that counts costs would."""

    @override
    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[StreamEvent, None]:
        state = kwargs["invocation_state"]
        state["cost"] = state.get("cost", 0) + 1
        state["request_state"]["seen"] = b"\x00"
        state["log"].append("called")
        state.pop("secret", None)
        async for event in super().stream(*args, **kwargs):
            yield event


async def write_twice(agent: Agent) -> Any:
    log: list[str] = []
    state: dict[str, Any] = {"log": log, "secret": "x", "kept": 1}
    results = [await agent.invoke_async("a", invocation_state=state) for _ in range(2)]
    mine = {key: state[key] for key in ("log", "kept", "cost")}
    return [mine, "secret" in state, log is state["log"], log, repr(results[-1].state)]


@workflow.defn
class WritingWorkflow:
    @workflow.run
    async def run(self) -> Any:
        return await write_twice(TemporalAgent("model", callback_handler=None))


@pytest.mark.server
async def test_what_the_model_writes_into_invocation_state_comes_back(agents: Agents) -> None:
    plain = await write_twice(Agent(Writing(lambda call: say("ok")), callback_handler=None))
    assert plain[0]["cost"] == 2
    async with agents(
        workflows=[WritingWorkflow], models={"model": lambda: Writing(lambda _: say("ok"))}
    ) as env:
        assert await env.run(WritingWorkflow.run) == plain


@workflow.defn
class FutureWorkflow:
    @workflow.run
    async def run(self) -> int:
        model = TemporalModel("model")
        events: list[Any] = []
        for _ in range(2):
            events += [event async for event in model.stream(HELLO, priority="high")]
        return len(events)


@pytest.mark.server
async def test_an_argument_of_a_newer_strands_is_named_once(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedModel(lambda call: say("ok"))
    with caplog.at_level(logging.WARNING):
        async with agents(workflows=[FutureWorkflow], models={"model": lambda: model}) as env:
            assert await env.run(FutureWorkflow.run) > 0
    assert len([r for r in caplog.records if "argument=<priority>" in r.getMessage()]) == 1


@workflow.defn
class NamedAgentWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        model, state = TemporalModel("model"), {"agent": "bob", "tenant": "acme"}
        return [event async for event in model.stream(HELLO, invocation_state=state)]


@pytest.mark.server
async def test_a_direct_call_may_name_an_agent_of_its_own(agents: Agents) -> None:
    model = ScriptedModel(lambda call: say("ok"))
    async with agents(workflows=[NamedAgentWorkflow], models={"model": lambda: model}) as env:
        events = await env.run(NamedAgentWorkflow.run)
    assert {"contentBlockDelta": {"delta": {"text": "ok"}}} in events
    assert model.calls[0].messages == HELLO


# --- Slow factories


@workflow.defn
class SlowFactoryWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", callback_handler=None, heartbeat_timeout=timedelta(seconds=3))
        return str(await agent.invoke_async("go"))


@pytest.mark.server
async def test_the_activity_heartbeats_while_a_factory_takes_its_time(agents: Agents) -> None:
    made: list[None] = []
    go_on = threading.Event()

    def download() -> ScriptedModel:
        made.append(None)
        assert go_on.wait(60)
        return ScriptedModel(lambda call: say("ok"))

    async def outlived_its_timeout(handle: Any) -> None:
        while True:
            (pending,) = (await handle.describe()).raw_description.pending_activities or [None]
            if pending is not None and pending.HasField("last_heartbeat_time"):
                assert pending.attempt == 1
                since = pending.last_heartbeat_time.ToDatetime() - pending.last_started_time.ToDatetime()
                if since > timedelta(seconds=4):
                    return
            await asyncio.sleep(0.1)

    async with agents(workflows=[SlowFactoryWorkflow], models={"model": download}) as env:
        handles = [await env.start(SlowFactoryWorkflow.run) for _ in range(3)]
        try:
            await asyncio.wait_for(asyncio.gather(*map(outlived_its_timeout, handles)), 60)
        finally:
            go_on.set()
        assert [await handle.result() for handle in handles] == ["ok\n"] * 3
        await env.assert_replays(handles[0])
    assert len(made) == 1
