"""Interventions, and HumanInTheLoop unchanged: the same as in a plain agent."""

from collections.abc import Callable
from typing import Any

import pytest
from packages.core.tests.workflow.hook_layer_scenes import (
    CACHES,
    answers,
    ask_policy,
    calls,
    is_allowed,
    tools_of,
    with_cache,
)
from packages.core.tests.workflow.hook_scenes import double
from strands import Agent, InterventionHandler
from strands.agent.agent_result import AgentResult
from strands.interventions import Confirm, Deny, Guide, Proceed, Transform
from strands.vended_interventions.hitl import HumanInTheLoop, LLMClassifierConfig
from temporalio.client import Client

from strands_temporal.testing import (
    AgentFactory,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    prompts,
    run_parity,
    say,
    use_tool,
    use_tools,
)

pytestmark = pytest.mark.server


# --- Interventions


class Policy(InterventionHandler):
    """Decides by a given function of the event, in the method with a given name."""

    def __init__(self, method: str, decide: Callable[[Any], Any], name: str = "policy") -> None:
        self._name = name
        self.method = method
        self.decide = decide

    @property
    def name(self) -> str:
        return self._name


class SyncPolicy(Policy):
    def before_invocation(self, event: Any, **kwargs: Any) -> Any:
        return self._decided("before_invocation", event)

    def before_tool_call(self, event: Any, **kwargs: Any) -> Any:
        return self._decided("before_tool_call", event)

    def after_tool_call(self, event: Any, **kwargs: Any) -> Any:
        return self._decided("after_tool_call", event)

    def before_model_call(self, event: Any, **kwargs: Any) -> Any:
        return self._decided("before_model_call", event)

    def after_model_call(self, event: Any, **kwargs: Any) -> Any:
        return self._decided("after_model_call", event)

    def _decided(self, method: str, event: Any) -> Any:
        return self.decide(event) if method == self.method else Proceed()


class AsyncPolicy(SyncPolicy):
    """Asks a policy service first."""

    async def before_invocation(self, event: Any, **kwargs: Any) -> Any:
        return await self._asked("before_invocation", event)

    async def before_tool_call(self, event: Any, **kwargs: Any) -> Any:
        return await self._asked("before_tool_call", event)

    async def after_tool_call(self, event: Any, **kwargs: Any) -> Any:
        return await self._asked("after_tool_call", event)

    async def before_model_call(self, event: Any, **kwargs: Any) -> Any:
        return await self._asked("before_model_call", event)

    async def after_model_call(self, event: Any, **kwargs: Any) -> Any:
        return await self._asked("after_model_call", event)

    async def _asked(self, method: str, event: Any) -> Any:
        return self._decided(method, event) if await ask_policy(1) else Deny("never")


def guide_once(event: Any) -> Any:
    said = str(event.stop_response.message["content"]) if event.stop_response else ""
    return Guide(feedback="say it again") if "read: 6" in said else Proceed()


def guide_at_first(event: Any) -> Any:
    return Guide(feedback="hurry") if len(event.agent.messages) == 1 else Proceed()


def negative(event: Any) -> None:
    event.tool_use["input"]["number"] *= -1


def crossed_out(event: Any) -> None:
    event.result["content"] = [{"text": "***"}]


POLICIES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "deny a tool": ("before_tool_call", lambda e: Deny(reason="no doubles"), "read: DENIED: no doubles"),
    "deny an invocation": ("before_invocation", lambda e: Deny(reason="closed"), "DENIED: closed"),
    "deny a model call": ("before_model_call", lambda e: Deny(reason="no budget"), "DENIED: no budget"),
    "guide a tool": (
        "before_tool_call",
        lambda e: Guide(feedback="triple it"),
        "read: GUIDANCE: [policy] triple it",
    ),
    "guide a model before": ("before_model_call", guide_at_first, "read: 6"),
    "guide a model after": ("after_model_call", guide_once, "read: [policy] say it again"),
    "transform a tool call": ("before_tool_call", lambda e: Transform(apply=negative), "read: -6"),
    "transform a result": ("after_tool_call", lambda e: Transform(apply=crossed_out), "read: ***"),
    "confirm, answered before": (
        "before_tool_call",
        lambda e: Confirm(prompt="ok?", response="y"),
        "read: 6",
    ),
    "confirm, refused before": (
        "before_tool_call",
        lambda e: Confirm(prompt="ok?", response="n"),
        "read: CONFIRMATION_FAILED: ok?",
    ),
}


@pytest.mark.sample(8)
@pytest.mark.parametrize("kind", [SyncPolicy, AsyncPolicy])
@pytest.mark.parametrize("case", list(POLICIES))
async def test_interventions(client: Client, worker_options: dict[str, Any], case: str, kind: Any) -> None:
    method, decide, expected = POLICIES[case]
    scenario = Scenario(
        calls(),
        lambda make: make(tools=tools_of(make), interventions=[kind(method, decide)]),
        prompts("go"),
        [double, is_allowed],
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert expected in (parity.durable.text or "")


@CACHES
@pytest.mark.parametrize(("response", "expected"), [(True, "read: -6"), ("nope", "CONFIRMATION_FAILED: ok?")])
async def test_an_intervention_asks_and_the_next_one_transforms(
    client: Client, worker_options: dict[str, Any], response: Any, expected: str, cache: Any
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        first = await agent.invoke_async("go")
        assert [[i.name, i.reason] for i in first.interrupts or ()] == [["one", "ok?"]]
        return await agent.invoke_async(answers(first, response))

    def build(make: AgentFactory) -> Agent:
        handlers = [
            AsyncPolicy("before_tool_call", lambda e: Confirm(prompt="ok?"), "one"),
            SyncPolicy("before_tool_call", lambda e: Transform(apply=negative), "two"),
        ]
        return make(tools=tools_of(make), interventions=handlers)

    scenario = Scenario(calls(), build, drive, [double, is_allowed])
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    parity.assert_equal()
    assert expected in (parity.durable.text or "")


# --- HumanInTheLoop, unchanged


def once_each(call: ScriptedCall) -> Reply:
    """Two calls of the tool in one answer, then two more."""
    if "_RiskDecision" in call.tool_names:
        risky = '"number": 1' in call.text
        return use_tool("_RiskDecision", {"requires_approval": risky, "reason": "a one"})
    if len(call.messages) < 4:
        first = len(call.messages)
        return use_tools([("double", {"number": n}, f"t{n}") for n in (first, first + 1)])
    return say(f"read: {call.text}")


HITL: dict[str, tuple[Callable[[], HumanInTheLoop], list[Any], list[int]]] = {
    "each call": (HumanInTheLoop, ["y", True], [2, 2]),
    "refused": (HumanInTheLoop, ["n", "yes"], [2, 2]),
    "trust": (lambda: HumanInTheLoop(enable_trust=True), ["trust"], [2]),
    "allowed": (lambda: HumanInTheLoop(allowed_tools=["double"]), [], []),
    "classified": (lambda: HumanInTheLoop(classifier=LLMClassifierConfig()), ["y"], [1]),
    "ask": (lambda: HumanInTheLoop(ask=lambda prompt, **_: "y"), [], []),
    "evaluate": (lambda: HumanInTheLoop(evaluate=lambda response, **_: response == 42), [42, 41], [2, 2]),
}


@pytest.mark.sample(7)
@CACHES
@pytest.mark.parametrize("case", list(HITL))
async def test_human_in_the_loop(
    client: Client, worker_options: dict[str, Any], case: str, cache: Any
) -> None:
    make_handler, responses, asked = HITL[case]

    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        seen: list[int] = []
        for response in responses:
            seen.append(len(result.interrupts or ()))
            result = await agent.invoke_async(answers(result, response))
        assert seen == asked
        assert result.stop_reason == "end_turn"
        return result

    scenario = Scenario(
        lambda: ScriptedModel(once_each),
        lambda make: make(tools=tools_of(make), interventions=[make_handler()]),
        drive,
        [double],
    )
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    for seen in (parity.plain, parity.durable):  # the tools run concurrently, in any order
        seen.hook_events.sort(key=str)
        seen.tool_results.sort(key=str)
        seen.given.sort(key=str)
    parity.assert_equal()
