"""What a workflow knows of a model before its first call, if the agent begins with a conversation."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.context_scenes import Counting, Projected, long_conversation
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy

from strands_temporal import AgentCarry, TemporalAgent, TemporalModel
from strands_temporal.testing import Scenario, ScriptedModel, prompts, run_parity, say

pytestmark = pytest.mark.server


def limited() -> ScriptedModel:
    return ScriptedModel(lambda call: say("ok"), config={"context_window_limit": 500})


async def steps(env: Any) -> list[str]:
    """Return what the histories of the workflows record: activities, markers and runs, in order."""
    found: list[str] = []
    handle = env.handles[-1]
    runs: list[str] = [(await handle.describe()).run_id]
    if handle.first_execution_run_id not in runs:
        runs.insert(0, handle.first_execution_run_id)
    for run in runs:
        async for event in env.client.get_workflow_handle(handle.id, run_id=run).fetch_history_events():
            if event.HasField("activity_task_scheduled_event_attributes"):
                found.append(event.activity_task_scheduled_event_attributes.activity_type.name)
            elif event.HasField("marker_recorded_event_attributes"):
                found.append("marker")
    return found


# --- Agents that know, and what it costs


@dataclass
class Begin:
    way: str
    carry: AgentCarry | None = None
    seen: list[Any] = field(default_factory=list[Any])


def few() -> list[Any]:
    return long_conversation(4)


WAYS: dict[str, Callable[[], Agent]] = {
    "no messages": lambda: TemporalAgent("m", callback_handler=None),
    "messages": lambda: TemporalAgent("m", messages=few(), callback_handler=None),
    "a plain agent": lambda: Agent(
        TemporalModel("m"), messages=few(), callback_handler=None, retry_strategy=None
    ),
    "nobody looks": lambda: TemporalAgent("m", messages=few(), callback_handler=None),
    "compresses": lambda: TemporalAgent(
        "m",
        messages=few(),
        conversation_manager=SlidingWindowConversationManager(proactive_compression=True),
        callback_handler=None,
    ),
    "declared": lambda: TemporalAgent(
        TemporalModel("m", context_window_limit=700), messages=few(), callback_handler=None
    ),
}

ASKS = ["marker", "describe_model", "invoke_model", "invoke_model"]
ANSWERS = ["invoke_model", "invoke_model"]
LIMITS = {"no messages": [None, 500], "declared": [700, 700], "nobody looks": [500], "compresses": [500]}


@workflow.defn
class BeginWorkflow:
    @workflow.run
    async def run(self, begin: Begin) -> list[Any]:
        if begin.way == "carry":
            return await self.carried(begin)
        if begin.way == "session":
            return await self.restored()
        agent, projected = WAYS[begin.way](), Projected()
        if begin.way not in ("nobody looks", "compresses"):
            agent.hooks.add_hook(projected)
        await agent.invoke_async("go")
        await agent.invoke_async("on")
        return [limit for _, limit in projected.seen] or [agent.model.context_window_limit]

    async def carried(self, begin: Begin) -> list[Any]:
        projected = Projected()
        agent = TemporalAgent("m", hooks=[projected], callback_handler=None, carry=begin.carry)
        await agent.invoke_async("go")
        seen = [*begin.seen, *(limit for _, limit in projected.seen)]
        if begin.carry is None:
            workflow.continue_as_new(Begin("carry", agent.carry(), seen))
        return seen

    async def restored(self) -> list[Any]:
        storage, seen = InMemoryStorage(), []
        for _ in range(2):
            projected = Projected()
            session = SnapshotSessionManager("s", storage=storage)
            agent = TemporalAgent("m", session_manager=session, hooks=[projected], callback_handler=None)
            await agent.invoke_async("go")
            seen.extend(limit for _, limit in projected.seen)
        return seen


@pytest.mark.parametrize("way", WAYS)
async def test_the_limit_is_known_at_the_first_call(agents: Agents, way: str) -> None:
    async with agents(workflows=[BeginWorkflow], models={"m": limited}) as env:
        assert await env.run(BeginWorkflow.run, Begin(way)) == LIMITS.get(way, [500, 500])
        assert await steps(env) == (ANSWERS if way.startswith("no") else ASKS)


async def test_a_carry_brings_what_the_run_before_knew(agents: Agents) -> None:
    async with agents(workflows=[BeginWorkflow], models={"m": limited}) as env:
        assert await env.run(BeginWorkflow.run, Begin("carry")) == [None, 500]
        assert await steps(env) == ANSWERS


async def test_a_session_is_a_conversation_too(agents: Agents) -> None:
    async with agents(workflows=[BeginWorkflow], models={"m": limited}) as env:
        assert await env.run(BeginWorkflow.run, Begin("session")) == [None, 500]
        assert await steps(env) == ["invoke_model", *ASKS[:-1]]


def test_a_limit_that_is_not_known_yet_is_assumed_without_advice() -> None:
    with pytest.warns(UserWarning, match="context_window_limit is not set"):
        plain = ScriptedModel(say("a")).estimate_utilization(1000)
    assert TemporalModel("m").estimate_utilization(1000) == plain


# --- When a model cannot be asked, or changes


@workflow.defn
class UnknownModelWorkflow:
    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("n", messages=few(), context_manager="auto", callback_handler=None)
        return str(await agent.invoke_async("go"))


async def test_an_unknown_model_ends_the_run_as_without_messages(agents: Agents) -> None:
    async with agents(workflows=[UnknownModelWorkflow], models={"m": limited}) as env:
        with pytest.raises(WorkflowFailureError) as failed:
            await env.run(UnknownModelWorkflow.run)
        assert await steps(env) == ["marker", "describe_model", "invoke_model"]
    cause: Any = failed.value.cause
    assert cause.type == "ValueError"
    assert "'m'" in cause.message


@workflow.defn
class ChangedWorkflow:
    @workflow.run
    async def run(self) -> list[Any]:
        model, projected = TemporalModel("m", retry_policy=RetryPolicy(maximum_attempts=1)), Projected()
        agent = TemporalAgent(model, hooks=[projected], callback_handler=None)
        await agent.invoke_async("go")
        model.update_config(context_window_limit=300)
        await agent.invoke_async("on")
        model.update_config(model_id="another")
        await agent.invoke_async("and on")
        return [limit for _, limit in projected.seen]


async def test_a_changed_configuration_is_learned_before_the_next_call(agents: Agents) -> None:
    async with agents(workflows=[ChangedWorkflow], models={"m": limited}) as env:
        assert await env.run(ChangedWorkflow.run) == [None, 300, 300]
        assert (await steps(env)).count("describe_model") == 2


# --- The model's own count


@pytest.mark.parametrize("native", [True, False])
async def test_a_model_counts_if_its_setting_says_so(
    client: Client, native: bool, worker_options: dict[str, Any]
) -> None:
    seen: list[Projected] = []

    def build(make: Any) -> Agent:
        seen.append(Projected())
        return make(messages=few(), hooks=[seen[-1]])

    parity = await run_parity(
        client, Scenario(lambda: Counting(native=native), build, prompts("go", "on")), **worker_options
    )
    parity.assert_equal()
    plain, *durable = [projected.seen for projected in seen]
    assert plain == durable[-1]
    assert (plain[0] == [500, 500]) is native


@workflow.defn
class CountWorkflow:
    @workflow.run
    async def run(self, declared: bool | None) -> list[Any]:
        projected = Projected()
        model = TemporalModel("m", use_native_token_count=declared)
        agent = TemporalAgent(model, hooks=[projected], callback_handler=None)
        await agent.invoke_async("go")
        await agent.invoke_async("on")
        return [tokens for tokens, _ in projected.seen]


@pytest.mark.parametrize(
    ("declared", "counts", "recorded"),
    [
        (None, [1, 115], ["invoke_model", "marker", "count_model_tokens", "invoke_model"]),
        (True, [100, 115], ["count_model_tokens", "invoke_model"] * 2),
        (False, [1, 16], ANSWERS),
    ],
)
async def test_without_messages_the_first_count_is_an_estimate_unless_declared(
    agents: Agents, declared: bool | None, counts: list[int], recorded: list[str]
) -> None:
    async with agents(workflows=[CountWorkflow], models={"m": Counting}) as env:
        assert await env.run(CountWorkflow.run, declared) == counts
        assert await steps(env) == recorded


@workflow.defn
class AskedWorkflow:
    @workflow.run
    async def run(self) -> int:
        return await TemporalModel("m").count_tokens(few())


async def test_the_users_own_question_is_answered_by_the_model(agents: Agents) -> None:
    async with agents(workflows=[AskedWorkflow], models={"m": Counting}) as env:
        assert await env.run(AskedWorkflow.run) == 400
        assert await steps(env) == ["marker", "describe_model", "marker", "count_model_tokens"]
