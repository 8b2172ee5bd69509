"""Middleware and vended plugins: the same as in a plain agent."""

from typing import Any

import pytest
from packages.core.tests.workflow.hook_layer_scenes import (
    CACHES,
    answers,
    ask_policy,
    calls,
    echo,
    is_allowed,
    tools_of,
    with_cache,
)
from packages.core.tests.workflow.hook_scenes import double
from strands import Agent
from strands.agent.agent_result import AgentResult
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
from strands.vended_plugins.context_injector import ContextInjector
from strands.vended_plugins.goal import GoalLoop
from strands.vended_plugins.skills import AgentSkills, Skill
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
)

pytestmark = pytest.mark.server


# --- Middleware


def terse(context: InvokeModelContext) -> InvokeModelContext:
    return context.replace(system_prompt="Be terse.")


async def without_model(context: InvokeModelContext, next_fn: Any) -> Any:
    """Let the first call through, and answer the second without the model."""
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


def layered(make: AgentFactory, layers: list[Any]) -> Agent:
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


@CACHES
async def test_a_goal_loop_ends_at_its_time_limit(
    client: Client, worker_options: dict[str, Any], cache: Any
) -> None:
    loops: list[GoalLoop] = []

    def never(response: Any, agent: Any, **_: Any) -> bool:
        return False

    def build(make: AgentFactory) -> Agent:
        loops.append(GoalLoop(never, max_attempts=9, timeout=1.5))
        return make(plugins=[loops[-1]])

    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        goal = loops[-1].last_result(agent)
        assert goal
        agent.state.set("goal", [goal.stop_reason, len(goal.attempts)])
        agent.messages.append({"role": "user", "content": [{"text": str(agent.state.get("goal"))}]})
        return result

    scenario = Scenario(lambda: ScriptedModel(say("no"), say("no").after(1.6)), build, drive)
    parity = await run_parity(client, scenario, **with_cache(worker_options, cache))
    parity.assert_equal()
    assert parity.durable.messages[-1]["content"] == [{"text": "['timeout', 1]"}]


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
