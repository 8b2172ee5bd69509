"""A `ModelRouter` over durable models, and the auxiliary model by name."""

from collections.abc import Callable
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
from temporalio.common import RetryPolicy

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, fail, say, use_tool

pytestmark = pytest.mark.server

Models = Callable[[str], Model]
"""Gives a model by name: a real one, or a handle with one attempt per call."""

Build = Callable[..., Agent]
"""Makes an agent: a plain one, or a durable one."""


class Noting(FallbackStrategy):
    """Strands' fallback, which writes down what it sees."""

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
