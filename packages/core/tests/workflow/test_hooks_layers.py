"""Middleware, interventions and vended plugins: the same as in a plain agent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from strands import Agent, InterventionHandler, tool
from strands.agent.agent_result import AgentResult
from strands.interventions import Confirm, Deny, Guide, Proceed, Transform
from strands.middleware import (
    ExecuteToolContext,
    ExecuteToolResult,
    ExecuteToolStage,
    InvokeModelContext,
    InvokeModelResult,
    InvokeModelStage,
    ModelStopReason,
    ToolResultEvent,
)
from strands.vended_interventions.hitl import HumanInTheLoop, LLMClassifierConfig
from strands.vended_plugins.context_injector import ContextInjector
from strands.vended_plugins.goal import GoalLoop
from strands.vended_plugins.skills import AgentSkills, Skill
from temporalio import activity, workflow
from temporalio.client import Client

from strands_temporal._workflow.activity_tool import activity_as_tool
from strands_temporal.testing import (
    MakeAgent,
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
from strands_temporal.workflow import execute_activity

pytestmark = pytest.mark.server

CACHES = pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])


@activity.defn
async def double(number: int) -> int:
    """Double a number."""
    return number * 2


@tool(name="double")
async def plain_double(number: int) -> int:
    """Double a number."""
    return number * 2


@activity.defn
async def is_allowed(number: int) -> bool:
    """Ask a policy service."""
    return number < 10


async def ask_policy(number: int) -> bool:
    if not workflow.in_workflow():
        return await is_allowed(number)
    options: Any = {"start_to_close_timeout": timedelta(seconds=20)}
    return await execute_activity(is_allowed, [number], options)


def tools_of(make: MakeAgent) -> list[Any]:
    return [activity_as_tool(double) if make.durable else plain_double]


def echo(call: ScriptedCall) -> Reply:
    return say(f"{call.system_prompt or ''} read: {call.text}")


def calls(number: int = 3) -> Callable[[], ScriptedModel]:
    return lambda: ScriptedModel(use_tool("double", {"number": number}), *[echo] * 3)


def with_cache(options: dict[str, Any], cache: int | None) -> dict[str, Any]:
    return options if cache is None else {**options, "max_cached_workflows": cache}


def answers(result: AgentResult, response: Any) -> Any:
    return [
        {"interruptResponse": {"interruptId": interrupt.id, "response": response}}
        for interrupt in result.interrupts or ()
    ]


# --- Middleware


def terse(context: InvokeModelContext) -> InvokeModelContext:
    return context.replace(system_prompt="Be terse.")


async def without_model(context: InvokeModelContext, next_fn: Any) -> Any:
    """Answer the second call itself."""
    if len(context.messages) < 3:
        async for event in next_fn(context):
            yield event
        return
    usage: Any = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    metrics: Any = {"latencyMs": 0}
    message: Any = {"role": "assistant", "content": [{"text": "from the cache"}]}
    yield ModelStopReason("end_turn", message, usage, metrics)


async def shout(result: InvokeModelResult) -> InvokeModelResult:
    for block in result.result.message["content"]:
        if "text" in block:
            block["text"] = block["text"].upper()
    return result


def add_one(context: ExecuteToolContext) -> ExecuteToolContext:
    use: Any = {**context.tool_use, "input": {"number": context.tool_use["input"]["number"] + 1}}
    return context.replace(tool_use=use)


async def without_tool(context: ExecuteToolContext, next_fn: Any) -> Any:
    result: Any = {
        "toolUseId": context.tool_use["toolUseId"],
        "status": "success",
        "content": [{"text": "cached"}],
    }
    yield ToolResultEvent(result)
    return
    yield next_fn


async def twice(context: ExecuteToolContext, next_fn: Any) -> Any:
    async for event in next_fn(context):
        if not isinstance(event, ToolResultEvent):
            yield event
    async for event in next_fn(add_one(context)):
        yield event


async def policed(context: ExecuteToolContext, next_fn: Any) -> Any:
    if not await ask_policy(context.tool_use["input"]["number"]):
        raise PermissionError("not that much")
    async for event in next_fn(context):
        yield event


def sealed(result: ExecuteToolResult) -> ExecuteToolResult:
    result.result.tool_result["content"].append({"text": "(sealed)"})
    return result


async def asking(context: ExecuteToolContext, next_fn: Any) -> Any:
    answer = context.interrupt("approval", reason=context.tool_use["input"])
    if answer.response != "yes":
        raise PermissionError(f"answered {answer.response!r}")
    async for event in next_fn(context):
        yield event


MIDDLEWARE: dict[str, tuple[int, list[Any], str]] = {
    "model input": (3, [(InvokeModelStage.Input, terse)], "Be terse. read: 6"),
    "model answered by middleware": (3, [(InvokeModelStage, without_model)], "from the cache"),
    "model output": (3, [(InvokeModelStage.Output, shout)], "READ: 6"),
    "tool input": (3, [(ExecuteToolStage.Input, add_one)], "read: 8"),
    "tool answered by middleware": (3, [(ExecuteToolStage, without_tool)], "read: cached"),
    "tool run twice": (3, [(ExecuteToolStage.Wrap, twice)], "read: 8"),
    "tool output": (3, [(ExecuteToolStage.Output, sealed)], "read: 6\n(sealed)"),
    "a guard by an activity lets pass": (3, [(ExecuteToolStage, policed)], "read: 6"),
    "a guard by an activity refuses": (30, [(ExecuteToolStage, policed)], "read: Error: not that much"),
    "several": (
        3,
        [
            (ExecuteToolStage.Output, sealed),
            (ExecuteToolStage, twice),
            (ExecuteToolStage.Input, add_one),
            (InvokeModelStage.Input, terse),
            (InvokeModelStage.Output, shout),
        ],
        "BE TERSE. READ: 10\n(SEALED)",
    ),
}


@CACHES
@pytest.mark.parametrize("case", list(MIDDLEWARE))
async def test_middleware(client: Client, worker_options: dict[str, Any], case: str, cache: Any) -> None:
    number, layers, expected = MIDDLEWARE[case]
    scenario = Scenario(
        calls(number), lambda make: layered(make, layers), prompts("go"), [double, is_allowed]
    )
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    parity.assert_equal()
    assert expected in (parity.durable.text or "")


def layered(make: MakeAgent, layers: list[Any]) -> Agent:
    agent = make(tools=tools_of(make))
    for stage, handler in layers:
        agent.add_middleware(stage, handler)
    return agent


@CACHES
@pytest.mark.parametrize(("response", "expected"), [("yes", "read: 6"), ("no", "read: Error: answered 'no'")])
async def test_middleware_that_asks(
    client: Client, worker_options: dict[str, Any], response: str, expected: str, cache: Any
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        first = await agent.invoke_async("go")
        assert [interrupt.reason for interrupt in first.interrupts or ()] == [{"number": 3}]
        return await agent.invoke_async(answers(first, response))

    scenario = Scenario(calls(), lambda make: layered(make, [(ExecuteToolStage, asking)]), drive, [double])
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    parity.assert_equal()
    assert expected in (parity.durable.text or "")


# --- Interventions


class Policy(InterventionHandler):
    """Decides by what it is given: a method's name, and a function of the event."""

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

    def build(make: MakeAgent) -> Agent:
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
    for seen in (parity.plain, parity.durable):  # the tools run at once: which is first is chance
        seen.hook_events.sort(key=str)
        seen.tool_results.sort(key=str)
        seen.given.sort(key=str)
    parity.assert_equal()


# --- Vended plugins that work in memory


def judged(call: ScriptedCall) -> Reply:
    if "JudgeOutcome" in call.tool_names:
        passed = "kind" in str(call.messages).split("better", 1)[-1] and "second" in str(call.messages)
        return use_tool("JudgeOutcome", {"passed": passed, "feedback": "be better"})
    return say("second, and kind" if "better" in call.text else "first")


@CACHES
async def test_a_goal_with_a_judge(client: Client, worker_options: dict[str, Any], cache: Any) -> None:
    scenario = Scenario(
        lambda: ScriptedModel(judged),
        lambda make: make(plugins=[GoalLoop("Be kind.", max_attempts=3)]),
        prompts("go"),
    )
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    parity.assert_equal()
    assert parity.durable.text == "second, and kind\n"


async def test_skills_in_memory(client: Client, worker_options: dict[str, Any]) -> None:
    skill = Skill(name="sums", description="Adds.", instructions="Carry the one.")
    scenario = Scenario(
        lambda: ScriptedModel(use_tool("skills", {"skill_name": "sums"}), echo),
        lambda make: make(system_prompt="You help.", plugins=[AgentSkills([skill])]),
        prompts("go"),
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert "Carry the one." in (parity.durable.text or "")
    assert "sums" in parity.durable.given[0]["system_prompt"]


@CACHES
async def test_a_context_injector(client: Client, worker_options: dict[str, Any], cache: Any) -> None:
    async def render(context: Any) -> str:
        return f"<n>{await ask_policy(len(context.messages))}</n>"

    scenario = Scenario(
        calls(),
        lambda make: make(tools=tools_of(make), plugins=[ContextInjector(render, trigger=lambda _: True)]),
        prompts("go"),
        [double, is_allowed],
    )
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    parity.assert_equal()
    assert "<n>True</n>" in str(parity.durable.given[1]["messages"][-1])
    assert "<n>" not in str([message for message in parity.durable.messages if message["role"] == "user"])
