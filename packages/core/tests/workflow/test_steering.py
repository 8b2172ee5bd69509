"""Steering: a model judges an agent's tool calls. A judge that cannot run never lets a call through."""

import ast
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import strands
from conftest import Agents
from packages.core.tests.failures import failure_of
from packages.core.tests.workflow.guard_scenes import delete_table, host, ran, steered, tools_of
from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.types.exceptions import ModelThrottledException
from strands.vended_plugins.steering import (
    Guide,
    LLMSteeringHandler,
    ModelSteeringAction,
    Proceed,
    SteeringHandler,
    ToolSteeringAction,
)
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy

from strands_temporal import AgentTypeError, TemporalAgent, TemporalModel
from strands_temporal._upstream.steering import STEERING_FAILED
from strands_temporal.testing import (
    AgentFactory,
    Reply,
    Scenario,
    ScriptedCall,
    ScriptedModel,
    fail,
    run_parity,
    say,
    use_tool,
)
from strands_temporal.workflow import TemporalLLMSteeringHandler, activity_as_tool

STRANDS = Path(next(iter(strands.__path__)))
DECISION = "_LLMSteering"  # the judge's tool, as Strands names it


def judged(decision: str, reason: str) -> Reply:
    return use_tool(DECISION, {"decision": decision, "reason": reason})


# --- The same judge as in a plain agent


def both(decision: str, reason: str) -> ScriptedModel:
    """Host and judge in one model: the judge uses `aux_model`, which is the agent's own model here."""
    return ScriptedModel(
        lambda call: judged(decision, reason) if DECISION in call.tool_names else host(call),
    )


def steering(make: AgentFactory) -> Any:
    return TemporalLLMSteeringHandler("No deletes.") if make.durable else LLMSteeringHandler("No deletes.")


@pytest.mark.server
@pytest.mark.parametrize(
    ("decision", "answer", "expected"),
    [
        ("proceed", None, "deleted users"),
        ("guide", None, "Tool call cancelled. not on Fridays You MUST follow this guidance immediately."),
        ("interrupt", True, "deleted users"),
        ("interrupt", False, "Manual approval denied: not on Fridays"),
    ],
)
@pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])
async def test_the_judge_decides_as_in_a_plain_agent(
    client: Client, worker_options: dict[str, Any], decision: str, answer: Any, expected: str, cache: Any
) -> None:
    async def drive(agent: Agent) -> AgentResult:
        result = await agent.invoke_async("go")
        assert (result.stop_reason == "interrupt") is (answer is not None)
        for interrupt in result.interrupts or ():
            assert interrupt.name == "steering_input_delete_table"
            assert interrupt.reason == {"message": "not on Fridays"}
            answers: Any = [{"interruptResponse": {"interruptId": interrupt.id, "response": answer}}]
            result = await agent.invoke_async(answers)
        return result

    scenario = Scenario(
        script=lambda: both(decision, "not on Fridays"),
        build=lambda make: make(tools=tools_of(make), plugins=[steering(make)]),
        drive=drive,
        activities=[delete_table],
    )
    options = worker_options if cache is None else {**worker_options, "max_cached_workflows": cache}
    parity = await run_parity(client, scenario, **options)
    for seen in (parity.plain, parity.durable):  # the ledger in the judge's prompt contains times
        for given in seen.given:
            given["messages"] = without_times(given["messages"])
    parity.assert_equal()
    (judge,) = [given for given in parity.durable.given if DECISION in given["tools"]][:1]
    assert judge["system_prompt"] == "No deletes."
    assert "Tool: delete_table" in str(judge["messages"])
    assert f"read: {expected}" in (parity.durable.text or "")
    assert parity.durable.messages[2]["content"][0]["toolResult"]["content"] == [{"text": expected}]


def without_times(messages: Any) -> Any:
    lines = json.dumps(messages).replace("\\n", "\n").splitlines()
    return [line for line in lines if not any(key in line for key in ("timestamp", "session_start", "_time"))]


def test_the_judges_tool_is_that_of_strands() -> None:
    theirs, ours = [
        next(node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if is_decision(node))
        for path in (
            STRANDS / "vended_plugins/steering/handlers/llm/llm_handler.py",
            Path(__file__).parents[2] / "src/strands_temporal/_workflow/steering.py",
        )
    ]
    assert ast.dump(theirs) == ast.dump(ours)


def is_decision(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == DECISION


# --- A judge that cannot run


@workflow.defn
class SteeredWorkflow:
    @workflow.run
    async def run(self, judge: str) -> str:
        agent = TemporalAgent(
            "host",
            tools=[activity_as_tool(delete_table)],
            plugins=[TemporalLLMSteeringHandler("No deletes.", model=model_of(judge))],
            callback_handler=None,
        )
        return str(await agent.invoke_async("go")).strip()


def model_of(judge: str) -> TemporalModel | str:
    return judge if judge == "unknown" else TemporalModel(judge, retry_policy=RetryPolicy(maximum_attempts=1))


JUDGES: dict[str, tuple[Any, str, str]] = {
    "raises": (fail(RuntimeError("no GPU")), "RuntimeError", "no GPU"),
    "throttled": (fail(ModelThrottledException("slow down")), "ModelThrottledException", "slow down"),
    "cut": (fail(ConnectionError("cut"), after=judged("proceed", "fine")), "ConnectionError", "cut"),
    "unknown": (None, "ValueError", "unknown"),
}


@pytest.mark.server
@pytest.mark.parametrize("judge", list(JUDGES))
@pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])
async def test_a_judge_that_cannot_run_ends_the_run_typed_and_the_tool_does_not_run(
    agents: Agents, judge: str, cache: Any
) -> None:
    ran.clear()
    step, error_type, text = JUDGES[judge]
    models: dict[str, Any] = {"host": lambda: ScriptedModel(host)}
    if step is not None:
        models[judge] = lambda: ScriptedModel(lambda call: step)
    options = {} if cache is None else {"max_cached_workflows": cache}
    async with agents(
        workflows=[SteeredWorkflow], activities=[delete_table], models=models, **options
    ) as env:
        error = await failure_of(env, SteeredWorkflow.run, judge)
    assert error.type == error_type
    assert text in error.message
    assert ran == []


@pytest.mark.server
async def test_a_judge_that_does_not_decide_ends_the_run(agents: Agents) -> None:
    ran.clear()
    models: dict[str, Any] = {
        "host": lambda: ScriptedModel(host),
        "judge": lambda: ScriptedModel(lambda call: say("hm")),
    }
    async with agents(workflows=[UndecidedWorkflow], activities=[delete_table], models=models) as env:
        error = await failure_of(env, UndecidedWorkflow.run)
    assert error.type == "StructuredOutputException"
    assert ran == []


class Undecided(TemporalLLMSteeringHandler):
    """Overrides nothing: a class derived from ours is just as safe."""


@workflow.defn
class UndecidedWorkflow:
    @workflow.run
    async def run(self) -> str:
        return str(await steered(plugins=[Undecided("No deletes.", model="judge")]).invoke_async("go"))


@workflow.defn
class CancelledJudgeWorkflow:
    def __init__(self) -> None:
        self.agent = steered(plugins=[TemporalLLMSteeringHandler("No deletes.", model="judge")])

    @workflow.run
    async def run(self) -> list[Any]:
        result = await self.agent.invoke_async("go")
        results = [
            block["toolResult"]["content"]
            for message in self.agent.messages
            for block in message["content"]
            if "toolResult" in block
        ]
        return [result.stop_reason, results]

    @workflow.signal
    def cancel(self) -> None:
        self.agent.cancel()


@pytest.mark.server
async def test_a_judge_is_cancelled_with_the_agent_and_the_tool_does_not_run(agents: Agents) -> None:
    ran.clear()
    judging, never = asyncio.Event(), asyncio.Event()

    async def judge_for_ever() -> None:
        judging.set()
        await never.wait()

    models: dict[str, Any] = {
        "host": lambda: ScriptedModel(host),
        "judge": lambda: ScriptedModel(say("never said").when(judge_for_ever)),
    }
    async with agents(workflows=[CancelledJudgeWorkflow], activities=[delete_table], models=models) as env:
        handle = await env.start(CancelledJudgeWorkflow.run)
        await asyncio.wait_for(judging.wait(), 20)
        await handle.signal(CancelledJudgeWorkflow.cancel)
        reason, results = await asyncio.wait_for(handle.result(), 20)
        await env.assert_replays(handle)
    assert reason == "cancelled"
    assert "The agent was cancelled." in str(results)
    assert ran == []


# --- Handlers of one's own


class Broken(SteeringHandler):
    """Raises an error instead of a decision."""

    def __init__(self, where: str) -> None:
        self.where = where
        super().__init__()

    async def steer_before_tool(self, *, agent: Any, tool_use: Any, **kwargs: Any) -> ToolSteeringAction:
        if self.where == "tool":
            raise LookupError("no such policy")
        return Proceed(reason="")

    async def steer_after_model(
        self, *, agent: Any, message: Any, stop_reason: Any, **kwargs: Any
    ) -> ModelSteeringAction:
        if self.where == "model" and stop_reason == "tool_use":
            raise LookupError("no such policy")
        if self.where == "guide" and stop_reason == "end_turn" and len(agent.messages) == 3:
            return Guide(reason="say more")
        return Proceed(reason="")


@workflow.defn
class OwnHandlerWorkflow:
    @workflow.run
    async def run(self, where: str, plain: bool) -> str:
        arguments: Any = {"tools": [activity_as_tool(delete_table)], "callback_handler": None}
        if plain:
            agent: Agent = Agent(model=TemporalModel("host"), plugins=[self.plain(where)], **arguments)
        else:
            agent = TemporalAgent("host", plugins=[Broken(where)], **arguments)
        return str(await agent.invoke_async("go")).strip()

    def plain(self, where: str) -> SteeringHandler:
        return LLMSteeringHandler("No deletes.") if where == "llm" else Broken(where)


@pytest.mark.server
@pytest.mark.parametrize("where", ["tool", "model"])
async def test_a_steering_handler_of_ones_own_that_raises_ends_the_run(agents: Agents, where: str) -> None:
    ran.clear()
    models: dict[str, Any] = {"host": lambda: ScriptedModel(host)}
    async with agents(workflows=[OwnHandlerWorkflow], activities=[delete_table], models=models) as env:
        error = await failure_of(env, OwnHandlerWorkflow.run, where, False)
    assert error.type == "LookupError"
    assert error.message == "no such policy"
    assert ran == []


@pytest.mark.server
async def test_one_that_decides_guides_as_in_a_plain_agent(
    client: Client, worker_options: dict[str, Any]
) -> None:
    def asks_and_answers(call: ScriptedCall) -> Reply:
        return use_tool("delete_table", {"table": "t"}) if len(call.messages) == 1 else say(call.text)

    async def drive(agent: Agent) -> AgentResult:
        return await agent.invoke_async("go")

    scenario = Scenario(
        script=lambda: ScriptedModel(asks_and_answers),
        build=lambda make: make(tools=tools_of(make), plugins=[Broken("guide")]),
        drive=drive,
        activities=[delete_table],
    )
    parity = await run_parity(client, scenario, **worker_options)
    parity.assert_equal()
    assert parity.durable.text == "say more\n"


@pytest.mark.server
async def test_strands_own_llm_handler_on_a_plain_agent_ends_the_run_too(agents: Agents) -> None:
    ran.clear()
    models: dict[str, Any] = {"host": lambda: ScriptedModel(host)}
    async with agents(workflows=[OwnHandlerWorkflow], activities=[delete_table], models=models) as env:
        error = await failure_of(env, OwnHandlerWorkflow.run, "llm", True)
    assert error.type == "EventLoopException"  # as for any hook of a plain agent after its first answer
    assert "In a workflow a synchronous call cannot wait for the activity" in error.message
    assert ran == []


def test_strands_swallows_a_guards_errors_where_the_adaptation_raises_them() -> None:
    tree = ast.parse((STRANDS / "vended_plugins/steering/core/handler.py").read_text("utf-8"))
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    assert len(handlers) == 2
    for handler in handlers:
        call = handler.body[0]
        assert isinstance(call, ast.Expr)
        assert isinstance(call.value, ast.Call)
        assert ast.unparse(call.value.func) == "logger.debug"
        assert isinstance(call.value.args[0], ast.Constant)
        assert str(call.value.args[0].value).endswith(STEERING_FAILED)
        assert ast.unparse(call.value.args[-1]) == handler.name


# --- Refused at construction


class Derived(LLMSteeringHandler):
    """Keeps the judge with synchronous calls."""


class Awaits(LLMSteeringHandler):
    """Has a judge of its own."""

    async def steer_before_tool(self, *, agent: Any, tool_use: Any, **kwargs: Any) -> ToolSteeringAction:
        return Proceed(reason="")


@pytest.mark.parametrize("handler", [LLMSteeringHandler, Derived])
def test_strands_llm_handler_is_refused_with_what_to_give(handler: Any) -> None:
    with pytest.raises(AgentTypeError, match=f"{handler.__name__} calls.*TemporalLLMSteeringHandler from"):
        TemporalAgent("host", plugins=[handler("No deletes.")])


def test_a_real_judge_is_refused() -> None:
    with pytest.raises(AgentTypeError, match=r"TemporalLLMSteeringHandler\(model=...\): ScriptedModel would"):
        TemporalLLMSteeringHandler("No deletes.", model=ScriptedModel())  # pyright: ignore[reportArgumentType]


@workflow.defn
class RefusedWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent("host", plugins=[LLMSteeringHandler("No deletes.")])

    @workflow.run
    async def run(self) -> None: ...


@pytest.mark.server
async def test_the_refusal_ends_the_workflow(agents: Agents) -> None:
    async with agents(workflows=[RefusedWorkflow], models={"host": ScriptedModel}) as env:
        error = await failure_of(env, RefusedWorkflow.run)
    assert error.type == "AgentTypeError"
