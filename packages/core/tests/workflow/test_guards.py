"""Guards that cannot run let nothing through: interventions, HumanInTheLoop's classifier, GoalLoop, Cedar."""

import sys
from datetime import timezone
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.failures import failure_of
from packages.core.tests.workflow.guard_scenes import delete_table, host, ran, steered, tools_of
from strands.interventions import InterventionHandler, OnError
from strands.vended_interventions.hitl import HumanInTheLoop, LLMClassifierConfig
from strands.vended_plugins.goal import GoalLoop
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal import TemporalModel
from strands_temporal.testing import Scenario, ScriptedModel, fail, prompts, run_parity


class Policy(InterventionHandler):
    """A policy that cannot be read."""

    @property
    def name(self) -> str:
        return "policy"

    def __init__(self, on_error: OnError) -> None:
        self._on_error: OnError = on_error

    @property
    def on_error(self) -> OnError:
        return self._on_error

    async def before_tool_call(self, event: Any, **kwargs: Any) -> Any:
        raise LookupError("no such policy")


@workflow.defn
class OtherGuardsWorkflow:
    @workflow.run
    async def run(self, guard: str) -> list[Any]:
        once = RetryPolicy(maximum_attempts=1)
        loop = GoalLoop("Be kind.", max_attempts=2)
        arguments: dict[str, Any] = {
            "classifier": {"interventions": [HumanInTheLoop(classifier=LLMClassifierConfig())]},
            "stdio": {"interventions": [HumanInTheLoop(ask="stdio")]},
            "throw": {"interventions": [Policy("throw")]},
            "deny": {"interventions": [Policy("deny")]},
            "goal": {"plugins": [loop]},
        }[guard]
        aux = TemporalModel("judge", retry_policy=once)
        agent = steered(aux_model=aux, **arguments)
        result = await agent.invoke_async("go")
        goal = loop.last_result(agent)
        if goal is not None:
            return [str(result).strip(), goal.stop_reason, goal.passed]
        return [str(result).strip(), result.stop_reason, len(result.interrupts or ())]


def other_guards(agents: Agents) -> Any:
    models: dict[str, Any] = {
        "host": lambda: ScriptedModel(host),
        "judge": lambda: ScriptedModel(lambda call: fail(RuntimeError("no GPU"))),
    }
    return agents(workflows=[OtherGuardsWorkflow], activities=[delete_table], models=models)


@pytest.mark.server
@pytest.mark.parametrize(
    ("guard", "error_type", "text"),
    [
        ("stdio", "RuntimeError", "wants to run in a thread, which a workflow does not have"),
        ("throw", "LookupError", "no such policy"),
    ],
)
async def test_an_intervention_that_cannot_run_ends_the_run(
    agents: Agents, guard: str, error_type: str, text: str
) -> None:
    ran.clear()
    async with other_guards(agents) as env:
        error = await failure_of(env, OtherGuardsWorkflow.run, guard)
    assert error.type == error_type
    assert text in error.message
    assert ran == []


@pytest.mark.server
async def test_a_classifier_that_cannot_run_asks_a_person(agents: Agents) -> None:
    ran.clear()
    async with other_guards(agents) as env:
        _, reason, asked = await env.run(OtherGuardsWorkflow.run, "classifier")
    assert [reason, asked] == ["interrupt", 1]
    assert ran == []


@pytest.mark.server
async def test_an_intervention_may_deny_when_it_cannot_run(agents: Agents) -> None:
    ran.clear()
    async with other_guards(agents) as env:
        said, _, _ = await env.run(OtherGuardsWorkflow.run, "deny")
    assert said == "read: DENIED: Handler threw: no such policy"
    assert ran == []


@pytest.mark.server
async def test_a_goal_whose_judge_cannot_run_is_not_reached(agents: Agents) -> None:
    async with other_guards(agents) as env:
        _, reason, passed = await env.run(OtherGuardsWorkflow.run, "goal")
    assert [reason, passed] == ["max_attempts", False]


@workflow.defn
class CedarClockWorkflow:
    @workflow.run
    async def run(self) -> bool:
        clock: Any = vars(sys.modules["strands.vended_interventions.cedar.cedar_authorization"])["dt"]
        await workflow.sleep(0.01)
        return clock.now(timezone.utc) == workflow.now()


POLICIES = """
permit(principal, action == Action::"delete_table", resource)
when { context.input.table != "users" && context.session.call_count < 3 };
"""


@pytest.mark.server
@pytest.mark.parametrize(
    ("policies", "principal", "expected"),
    [
        (POLICIES, {"type": "User", "id": "ana"}, "Access denied by Cedar policy"),
        (POLICIES.replace("!=", "=="), {"type": "User", "id": "ana"}, "read: deleted users"),
        (POLICIES.replace("input.table", "no_such"), {"type": "User", "id": "ana"}, "DENIED"),
        (POLICIES, None, "DENIED"),
    ],
    ids=["denied", "allowed", "cannot evaluate", "nobody"],
)
async def test_cedar_decides_as_in_a_plain_agent_and_denies_what_it_cannot_decide(
    client: Client, worker_options: dict[str, Any], policies: str, principal: Any, expected: str
) -> None:
    pytest.importorskip("cedarpy", reason="strands-agents[cedar] is not installed")
    from strands.vended_interventions import CedarAuthorization

    def resolve(state: dict[str, Any]) -> Any:
        return principal

    scenario = Scenario(
        lambda: ScriptedModel(host),
        lambda make: make(
            tools=tools_of(make),
            interventions=[CedarAuthorization(policies=policies, principal_resolver=resolve)],
        ),
        prompts("go"),
        [delete_table],
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert expected in (parity.durable.text or "")


@pytest.mark.server
async def test_cedars_clock_is_the_workflows(agents: Agents) -> None:
    pytest.importorskip("cedarpy", reason="strands-agents[cedar] is not installed")
    async with agents(workflows=[CedarClockWorkflow], models={"m": ScriptedModel}) as env:
        assert await env.run(CedarClockWorkflow.run) is True
