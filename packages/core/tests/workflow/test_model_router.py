"""A `ModelRouter` over durable models, and the auxiliary model by name."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from strands import Agent
from strands.models import Model
from strands.models.routing import (
    ClassifierStrategy,
    FallbackStrategy,
    ModelRouter,
    RoutingCandidate,
    RoutingContext,
)
from strands.types.exceptions import ContextWindowOverflowException, ModelThrottledException
from strands.vended_plugins.goal import GoalLoop
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    ResetActivityRequest,
    UnpauseActivityRequest,
)
from temporalio.client import WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal._workflow import model_calls
from strands_temporal.testing import (
    AgentEnvironment,
    Reply,
    ScriptedCall,
    ScriptedModel,
    fail,
    say,
    use_tool,
)

pytestmark = pytest.mark.server

Models = Callable[[str], Model]
"""Gives a model by name: a real one, or a handle with one attempt per call."""

Build = Callable[..., Agent]
"""Makes an agent: a plain one, or a durable one."""


class Noting(FallbackStrategy):
    """Strands' fallback, which records what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    async def select(self, context: RoutingContext, **kwargs: Any) -> RoutingCandidate | None:
        self.seen.append([type(attempt.exception).__name__ for attempt in context.attempts])
        return await super().select(context, **kwargs)


async def fallback(models: Models, build: Build) -> Any:
    strategy = Noting()
    router = ModelRouter([models("throttled"), models("too small"), models("good")], strategy=strategy)
    agent = build(router)
    result = str(await agent.invoke_async("go"))
    return [result, strategy.seen, str(await agent.invoke_async("again"))]


async def nothing_left(models: Models, build: Build) -> Any:
    agent = build(ModelRouter([models("throttled"), models("throttled too")]))
    try:
        await agent.invoke_async("go")
    except ModelThrottledException as error:
        return [str(error), len(agent.messages)]


async def classifier(models: Models, build: Build) -> Any:
    candidates = [
        RoutingCandidate(models("good"), name="easy", description="for easy questions"),
        RoutingCandidate(models("better"), name="hard", description="for hard questions"),
    ]
    agent = build(ModelRouter(candidates, strategy=ClassifierStrategy(models("judge"))))
    return str(await agent.invoke_async("prove it"))


async def nested(models: Models, build: Build) -> Any:
    inner = ModelRouter([models("throttled"), models("better")])
    return str(await build(ModelRouter([inner, models("good")])).invoke_async("go"))


SCENARIOS = {"fallback": fallback, "nothing left": nothing_left, "classifier": classifier, "nested": nested}
SCRIPTS: dict[str, Callable[[], ScriptedModel]] = {
    "throttled": lambda: ScriptedModel(lambda call: fail(ModelThrottledException("slow down"))),
    "throttled too": lambda: ScriptedModel(lambda call: fail(ModelThrottledException("you too"))),
    "too small": lambda: ScriptedModel(lambda call: fail(ContextWindowOverflowException("too long"))),
    "good": lambda: ScriptedModel(lambda call: say(f"good: {call.text}")),
    "better": lambda: ScriptedModel(lambda call: say(f"better: {call.text}")),
    "judge": lambda: ScriptedModel(
        lambda call: use_tool(
            call.tool_names[0], {"selected_candidate_index": 1 if "prove" in call.text else 0}
        )
    ),
}


def handle(name: str) -> TemporalModel:
    return TemporalModel(name, retry_policy=RetryPolicy(maximum_attempts=1))


def plain_agent(model: Any) -> Agent:
    return Agent(model, callback_handler=None, retry_strategy=None)


def temporal_agent(model: Any) -> Agent:
    return TemporalAgent(model, callback_handler=None)


@workflow.defn
class RouterWorkflow:
    @workflow.run
    async def run(self, scenario: str, temporal: bool) -> Any:
        return await SCENARIOS[scenario](handle, temporal_agent if temporal else plain_agent)


@pytest.mark.parametrize("temporal", [True, False], ids=["TemporalAgent", "Agent"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_router_decides_the_same(agents: Agents, name: str, temporal: bool) -> None:
    real = {name: make() for name, make in SCRIPTS.items()}
    plain = await SCENARIOS[name](lambda name: real[name], plain_agent)
    assert plain
    durable = {name: make() for name, make in SCRIPTS.items()}
    factories = {name: (lambda model=model: model) for name, model in durable.items()}
    async with agents(workflows=[RouterWorkflow], models=factories) as env:
        assert await env.run(RouterWorkflow.run, name, temporal) == plain
    assert {n: len(m.calls) for n, m in durable.items()} == {n: len(m.calls) for n, m in real.items()}


def test_a_router_of_real_models_is_refused() -> None:
    real = ScriptedModel(say("x"))
    for router in (ModelRouter([handle("a"), real]), ModelRouter([ModelRouter([real]), handle("a")])):
        with pytest.raises(AgentTypeError, match="ScriptedModel in the ModelRouter would do its I/O inside"):
            TemporalAgent(router)


@workflow.defn
class AuxiliaryWorkflow:
    @workflow.run
    async def run(self) -> Any:
        goal = GoalLoop(goal="names the capital", max_attempts=3)
        agent = TemporalAgent("main", aux_model="judge", plugins=[goal], callback_handler=None)
        result = str(await agent.invoke_async("a city?"))
        agent.aux_model = "other"
        other = repr(agent.aux_model)
        agent.aux_model = None
        return [result, other, repr(agent.aux_model)]


async def test_the_auxiliary_model_works_by_name(agents: Agents) -> None:
    main = ScriptedModel(say("Basel"), say("Bern"))
    judge = ScriptedModel(
        lambda call: use_tool(call.tool_names[0], {"passed": "Bern" in call.text, "feedback": "The capital?"})
    )
    models = {"main": lambda: main, "judge": lambda: judge}
    async with agents(workflows=[AuxiliaryWorkflow], models=models) as env:
        assert await env.run(AuxiliaryWorkflow.run) == [
            "Bern\n",
            "TemporalModel('other')",
            "TemporalModel('main')",
        ]
    assert [len(main.calls), len(judge.calls)] == [2, 2]


# --- A call that is cut short is not its model's failure


class Cut:
    """A model that does not answer its first calls, and tells the test when they run."""

    def __init__(self, first: int = 1, *, swallows: bool = False) -> None:
        self.calls, self.under_way = 0, asyncio.Event()
        self._first, self._swallows = first, swallows

    def model(self) -> ScriptedModel:
        return ScriptedModel(lambda _: say("big").when(self._wait))

    async def _wait(self) -> None:
        self.calls += 1
        if self.calls <= self._first:
            self.under_way.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if self._swallows:
                    raise RuntimeError("the client was closed") from None
                raise


class Small:
    """The model that a router falls back to."""

    calls = 0

    def model(self) -> ScriptedModel:
        def script(_: ScriptedCall) -> Reply:
            self.calls += 1
            return say("small")

        return ScriptedModel(script)


@workflow.defn
class DocumentedRouter:
    """The router as in docs/models.md."""

    @workflow.run
    async def run(self, seconds: float | None) -> str:
        once: Any = {
            "retry_policy": RetryPolicy(maximum_attempts=1),
            "heartbeat_timeout": timedelta(seconds=2),
        }
        if seconds is not None:
            once["schedule_to_close_timeout"] = timedelta(seconds=seconds)
        router = ModelRouter([TemporalModel("claude", **once), TemporalModel("small")])
        return str(await TemporalAgent(router, callback_handler=None).invoke_async("go")).strip()


class Routed:
    """One run of the documented router, whose workers come and go."""

    def __init__(self, agents: Agents, cut: Cut, workflow_class: Any = DocumentedRouter) -> None:
        self.cut, self.small, self._class = cut, Small(), workflow_class
        self._agents, self._queue = agents, f"router-{uuid.uuid4()}"

    def worker(self) -> Any:
        models = {"claude": self.cut.model, "small": self.small.model}
        return self._agents(workflows=[self._class], models=models, task_queue=self._queue)

    async def started(self, env: AgentEnvironment, seconds: float | None = None) -> WorkflowHandle[Any, Any]:
        handle = await env.start(self._class.run, seconds)
        await self.cut_short()
        return handle

    async def cut_short(self) -> None:
        await asyncio.wait_for(self.cut.under_way.wait(), 20)
        self.cut.under_way.clear()

    async def ends(self, env: AgentEnvironment, handle: WorkflowHandle[Any, Any]) -> str:
        result = await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
        return str(result)


@pytest.mark.parametrize("swallows", [False, True], ids=["raises", "its client raises something else"])
async def test_a_deploy_does_not_make_the_router_fall_back(agents: Agents, swallows: bool) -> None:
    run = Routed(agents, Cut(swallows=swallows))
    async with run.worker() as env:
        handle = await run.started(env)
    async with run.worker() as env:
        assert await run.ends(env, handle) == "big"
    assert (run.cut.calls, run.small.calls) == (2, 0)


@pytest.mark.parametrize("how", ["reset", "pause"])
async def test_an_operator_does_not_make_the_router_fall_back(agents: Agents, how: str) -> None:
    run = Routed(agents, Cut())
    async with run.worker() as env:
        handle = await run.started(env)
        (pending,) = (await handle.describe()).raw_description.pending_activities
        which: Any = {
            "namespace": env.client.namespace,
            "execution": WorkflowExecution(workflow_id=handle.id),
            "id": pending.activity_id,
        }
        service = env.client.workflow_service
        if how == "reset":
            await service.reset_activity(ResetActivityRequest(**which), retry=True)
        else:
            await service.pause_activity(PauseActivityRequest(**which), retry=True)
            while not await is_paused(handle):  # noqa: ASYNC110  # the server does not announce it
                await asyncio.sleep(0.05)
            await service.unpause_activity(UnpauseActivityRequest(**which), retry=True)
        assert await run.ends(env, handle) == "big"
    assert (run.cut.calls, run.small.calls) == (2, 0)


async def is_paused(handle: WorkflowHandle[Any, Any]) -> bool:
    """Tell whether the paused attempt has ended."""
    (pending,) = (await handle.describe()).raw_description.pending_activities
    return pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED


async def test_a_call_is_not_made_anew_for_ever(agents: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_calls, "_AT_MOST", 1)
    run = Routed(agents, Cut(2))
    async with run.worker() as env:
        handle = await run.started(env)
    async with run.worker() as env:
        await run.cut_short()
    async with run.worker() as env:
        assert await run.ends(env, handle) == "small"
    assert (run.cut.calls, run.small.calls) == (2, 1)


async def test_a_call_made_anew_has_the_rest_of_its_time(agents: Agents) -> None:
    run = Routed(agents, Cut())
    async with run.worker() as env:
        handle = await run.started(env, 30)
    async with run.worker() as env:
        assert await run.ends(env, handle) == "big"
    first, second = [
        event.activity_task_scheduled_event_attributes.schedule_to_close_timeout.ToTimedelta()
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert first == timedelta(seconds=30)
    assert timedelta(0) < second < first


@workflow.defn
class OneAttempt:
    """An agent whose model has one attempt and no fallback."""

    @workflow.run
    async def run(self, _seconds: float | None) -> str:
        once = RetryPolicy(maximum_attempts=1)
        agent = TemporalAgent(
            "claude", retry_policy=once, heartbeat_timeout=timedelta(seconds=2), callback_handler=None
        )
        try:
            return str(await agent.invoke_async("go")).strip()
        except ApplicationError as error:
            return f"failed: {error.type}"


@pytest.mark.parametrize("released", [False, True], ids=["now", "as before"])
async def test_a_history_that_took_it_for_the_models_failure_replays(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, released: bool
) -> None:
    run = Routed(agents, Cut(), OneAttempt)
    with monkeypatch.context() as before:
        if released:
            before.setattr(model_calls, "CUT_SHORT", frozenset[str]())
        async with run.worker() as env:
            handle = await run.started(env)
        async with run.worker() as env:
            expected = "failed: WorkerShutdown" if released else "big"
            assert await asyncio.wait_for(handle.result(), 30) == expected
    await env.assert_replays(handle)
