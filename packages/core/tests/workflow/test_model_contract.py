"""The rest of Strands' `Model` over the activity boundary: handles, counts, state, slow factories."""

import asyncio
import copy
import logging
import pickle
import threading
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import Agent
from strands.hooks import BeforeModelCallEvent
from strands.types.content import Messages
from strands.types.streaming import StreamEvent
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner
from typing_extensions import override

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, say

HELLO: Messages = [{"role": "user", "content": [{"text": "hello, you there"}]}]


# --- Configuration


class Configured(ScriptedModel):
    """Answers with its own temperature."""

    def __init__(self) -> None:
        super().__init__(lambda call: say(f"{self.get_config().get('temperature', 'default')}"))


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
    """Runs without the sandbox share the module, and so the handle. One must replay without the other."""
    models = {"model": Configured}
    options: Any = {"workflow_runner": UnsandboxedWorkflowRunner()}
    async with agents(workflows=[SharedHandleWorkflow], models=models, **options) as env:
        assert await env.run(SharedHandleWorkflow.run, 0.3) == [[{}, None], ["0.3", "0.3"], None]
        assert await env.run(SharedHandleWorkflow.run, None) == [[{}, None], ["default", "default"], None]
    assert shared.get_config() == {}


def test_a_handle_is_copied_and_pickled_with_what_it_was_given() -> None:
    model = TemporalModel("m", context_window_limit=5, summary="label")
    model.update_config(temperature=1)
    for twin in (copy.deepcopy(model), copy.copy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301  # its own data
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
    """Has its own token count."""

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


# --- Other arguments from Strands


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
