"""A turn that goes on in the next run, and what comes in between: stops, sizes, wrong use."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.hand_over_cases import Hook, add, look_up, numbered, remember, steps
from packages.core.tests.workflow.hand_over_scenes import bare
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import AfterInvocationEvent, BeforeInvocationEvent, MessageAddedEvent
from strands.types.agent import ConcurrentInvocationMode
from temporalio import activity, workflow
from temporalio.client import WorkflowFailureError

from strands_temporal import AgentCarry, AgentTypeError, AgentValueError, CarryTooLargeError, TemporalAgent
from strands_temporal._workflow import turn_cut
from strands_temporal.testing import ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import CancelSignal, TurnHandOver, activity_as_tool

pytestmark = pytest.mark.server


@dataclass
class Rest:
    case: str
    carry: AgentCarry | None = None
    turn: dict[str, Any] = field(default_factory=dict[str, Any])
    runs: int = 1


def always() -> bool:
    return True


# --- Stops


def stop_when_results_arrive(stop: Callable[[Any], None]) -> Hook:
    """Stop after the hand-over has stopped the turn, and before Strands looks."""

    def added(event: MessageAddedEvent) -> None:
        if event.message["role"] == "user" and len(event.agent.messages) == 5:
            stop(event.agent)

    return Hook(MessageAddedEvent, added)


@workflow.defn
class StoppedWorkflow:
    @workflow.run
    async def run(self, rest: Rest) -> list[Any]:
        signal = CancelSignal()
        stops: dict[str, Callable[[Any], None]] = {
            "cancelled": lambda agent: agent.cancel(),
            "cancelled after the tools": lambda agent: agent.cancel(after_current_tools=True),
            "cancelled with a message": lambda agent: agent.cancel(
                message="enough", after_current_tools=True
            ),
            "by a signal": lambda agent: signal.set(),
        }
        hooks: list[Any] = [stop_when_results_arrive(stops[rest.case])] if rest.case in stops else []
        agent = TemporalAgent("m", tools=[add], hooks=hooks, callback_handler=None, carry=rest.carry)
        hand_over = TurnHandOver(agent, always, carried=rest.turn)
        result = await hand_over.run(lambda prompt: agent.invoke_async(prompt, cancel_signal=signal), "go")
        if result is None and rest.case == "in between" and rest.runs == 2:
            agent.cancel(message="too late", after_current_tools=True)
        if result is None:
            workflow.continue_as_new(Rest(rest.case, agent.carry(), hand_over.carry(), rest.runs + 1))
        return [rest.runs, result.stop_reason, str(result).strip(), len(agent.messages)]


def adding(count: int) -> ScriptedModel:
    return ScriptedModel(steps(count, step=lambda n: use_tool("add", {"a": n, "b": 1}, tool_use_id=f"t{n}")))


async def test_a_users_stop_wins(agents: Agents) -> None:
    expected = {
        "cancelled": [2, "cancelled", "", 5],
        "cancelled after the tools": [2, "cancelled", "", 5],
        "cancelled with a message": [2, "cancelled", "enough", 6],
        "by a signal": [2, "cancelled", "", 5],
        "in between": [3, "cancelled", "too late", 6],
    }
    async with agents(workflows=[StoppedWorkflow], models={"m": lambda: adding(9)}) as env:

        async def stopped(case: str) -> list[Any]:
            handle = await env.start(StoppedWorkflow.run, Rest(case))
            last = env.client.get_workflow_handle(handle.id)
            result = await last.result()
            await env.assert_replays(last)
            return result

        seen = dict(zip(expected, await asyncio.gather(*map(stopped, expected)), strict=True))
    assert seen == expected


# --- One run


@workflow.defn
class PartsWorkflow:
    """Runs a turn of many steps in one run."""

    @workflow.run
    async def run(self, case: str) -> list[Any]:
        seen: list[str] = []

        def note(event: Any) -> None:
            seen.append(type(event).__name__)

        hooks: list[Any] = [Hook(kind, note) for kind in (BeforeInvocationEvent, AfterInvocationEvent)]
        agent = TemporalAgent("m", tools=[add, remember], hooks=hooks, callback_handler=None)
        hand_over = TurnHandOver(agent, (lambda: False) if case == "never" else always)
        result: Any = None
        cuts = -1
        while result is None:
            cuts += 1
            # The state is another dict in each part: what the tools wrote into it stays.
            result = await hand_over.run(
                lambda prompt: agent.invoke_async(prompt, invocation_state={"seen": []}), "go"
            )
        assert hand_over.carry() == {}
        assert agent.carry()
        turn = agent.event_loop_metrics.agent_invocations
        return [str(result).strip(), seen, len(turn), len(turn[-1].cycles), cuts]


def remembering(count: int) -> ScriptedModel:
    return ScriptedModel(
        lambda call: (
            say(call.text)
            if call.answers >= count
            else use_tool("remember", {"what": f"thing {call.answers}"}, tool_use_id=f"t{call.answers}")
        )
    )


@pytest.mark.parametrize("case", ["never", "always"])
async def test_hooks_see_one_turn_however_many_parts_it_has(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr("strands_temporal._workflow.hand_over.LONGEST_PART", 3)
    async with agents(workflows=[PartsWorkflow], models={"m": lambda: remembering(8)}) as env:
        seen = await env.run(PartsWorkflow.run, case)
    cuts = 8 if case == "always" else 0
    assert seen == ["8 known", ["BeforeInvocationEvent", "AfterInvocationEvent"], 1, 9, cuts]


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_turn_has_more_steps_than_strands_can_nest(agents: Agents) -> None:
    # With the cache: without it each of these workflow tasks replays all before it.
    async with agents(
        workflows=[PartsWorkflow], models={"m": lambda: remembering(350)}, max_cached_workflows=10
    ) as env:
        env.timeout = timedelta(minutes=8)
        handle = await env.start(PartsWorkflow.run, "never")
        seen = await handle.result()
        await env.assert_replays(handle)
    assert seen[0] == "350 known"


# --- Background tasks


@activity.defn
async def research(topic: str) -> str:
    """Look something up, for long."""
    return f"{topic} is blue"


@activity.defn
async def never(topic: str) -> str:
    """Look something up, without an end."""
    await asyncio.Event().wait()
    return topic


@workflow.defn
class BackgroundWorkflow:
    @workflow.run
    async def run(self, rest: Rest) -> list[Any]:
        agent = TemporalAgent(
            "m",
            tools=[activity_as_tool(research), activity_as_tool(never), add],
            background_tasks={"always": ["research", "never"]},
            callback_handler=None,
            carry=rest.carry,
        )
        hand_over = TurnHandOver(agent, always, carried=rest.turn)
        result = await hand_over.run(agent.invoke_async, "go")
        if result is None:
            workflow.continue_as_new(Rest(rest.case, agent.carry(), hand_over.carry(), rest.runs + 1))
        return [rest.runs, [bare(message) for message in agent.messages]]


@pytest.mark.slow
async def test_a_background_task_ends_in_the_run_that_began_it(agents: Agents) -> None:
    def answer(call: ScriptedCall) -> Any:
        asked = [m for m in call.messages if m["role"] == "assistant"]
        if len(asked) == 1 or not asked:
            return use_tool("research", {"topic": "sky"}, tool_use_id="r") if not asked else ADD
        return ADD if "blue" not in str(call.messages) else say("done")

    async with agents(
        workflows=[BackgroundWorkflow], activities=[research], models={"m": lambda: ScriptedModel(answer)}
    ) as env:
        handle = await env.start(BackgroundWorkflow.run, Rest(""))
        last = env.client.get_workflow_handle(handle.id)
        runs, messages = await last.result()
        await env.assert_replays(handle)
        await env.assert_replays(last)
    assert runs > 1
    assert str(messages).count("sky is blue") == 1
    assert "cannot resume" not in str(messages)


@pytest.mark.slow
async def test_a_background_task_without_an_end_does_not_fill_the_history(
    agents: Agents, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turn_cut, "MOST_EVENTS", 40)

    def answer(call: ScriptedCall) -> Any:
        if call.answers == 0:
            return use_tool("never", {"topic": "sky"}, tool_use_id="n")
        return say("done") if call.answers > 9 else use_tool("add", {"a": 1, "b": 2}, tool_use_id="add")

    async with agents(
        workflows=[BackgroundWorkflow], activities=[never], models={"m": lambda: ScriptedModel(answer)}
    ) as env:
        handle = await env.start(BackgroundWorkflow.run, Rest(""))
        last = env.client.get_workflow_handle(handle.id)
        runs, messages = await asyncio.wait_for(last.result(), 20)
        await env.assert_replays(handle)
        await env.assert_replays(last)
    assert runs > 1
    assert str(messages).count("Background task cannot resume") == 1  # the model was told
    assert "goes on in the next run without the agent's running background tasks" in caplog.text


ADD = use_tool("add", {"a": 1, "b": 2}, tool_use_id="add")


# --- Sizes


@workflow.defn
class LargeWorkflow:
    """Hands its turn over as soon as the next run's input is small enough."""

    @workflow.run
    async def run(self, rest: Rest) -> list[Any]:
        agent = TemporalAgent(
            "m",
            tools=[activity_as_tool(look_up)],
            conversation_manager=SlidingWindowConversationManager(2, per_turn=5),
            callback_handler=None,
            carry=rest.carry,
        )

        def check() -> None:
            if rest.case == "never" or len(agent.messages) > 5:
                raise CarryTooLargeError("The input would be too large")

        asked = itertools.count(1)
        wanted = (lambda: next(asked) >= 3) if rest.runs == 1 else (lambda: False)
        hand_over = TurnHandOver(agent, wanted, carried=rest.turn, check=check)
        result = await hand_over.run(agent.invoke_async, "go")
        if result is None:
            rest = Rest(rest.case, agent.carry(), hand_over.carry(), rest.runs + 1)
            workflow.continue_as_new(rest)
        return [rest.runs, str(result).strip()]


@pytest.mark.slow
async def test_a_turn_that_is_too_large_goes_on_in_its_run_until_it_is_smaller(
    agents: Agents, caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedModel(lambda call: numbered(call, 9))
    async with agents(workflows=[LargeWorkflow], activities=[look_up], models={"m": lambda: model}) as env:
        handle = await env.start(LargeWorkflow.run, Rest("later"))
        last = env.client.get_workflow_handle(handle.id)
        assert (await last.result())[0] == 2
        await env.assert_replays(handle)
        await env.assert_replays(last)
        assert "goes on in this one: The input would be too large" in caplog.text
        handle = await env.start(LargeWorkflow.run, Rest("never"))
        assert (await handle.result())[0] == 1
        await env.assert_replays(handle)


@pytest.mark.slow
async def test_it_fails_with_a_typed_error_when_this_run_has_no_room_either(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_cut, "MOST_EVENTS", 40)
    model = ScriptedModel(lambda call: numbered(call, 9))
    async with agents(workflows=[LargeWorkflow], activities=[look_up], models={"m": lambda: model}) as env:
        handle = await env.start(LargeWorkflow.run, Rest("never"))
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        await env.assert_replays(handle)
    cause: Any = caught.value.cause
    assert (cause.type, cause.message) == ("CarryTooLarge", "The input would be too large")


# --- Wrong use


@workflow.defn
class RefusedWorkflow:
    @workflow.run
    async def run(self) -> dict[str, str]:
        refused: dict[str, str] = {}

        def build(name: str, agent: Any, wanted: Any = always, **options: Any) -> None:
            try:
                TurnHandOver(agent, wanted, **options)
            except (AgentTypeError, AgentValueError) as error:
                refused[name] = str(error)

        def agent(**options: Any) -> TemporalAgent:
            return TemporalAgent("m", name="a", callback_handler=None, **options)

        twice = agent()
        build("first", twice)
        build("twice", twice)
        build("called", agent(), workflow.info().is_continue_as_new_suggested())
        build("check", agent(), check=3)
        build("checkpoints", agent(checkpointing=True))
        build("at once", agent(concurrent_invocation_mode=ConcurrentInvocationMode.UNSAFE_REENTRANT))
        build("plain", Agent(agent().model))
        build("carried", agent(), carried={"turn": 1})
        build("damaged", agent(), carried={"data": "bm90IGEgY2Fycnk=", "version": 1})
        build("newer", agent(), carried={"data": "", "version": 99})
        return refused


async def test_wrong_use_is_refused_when_it_is_built(agents: Agents) -> None:
    async with agents(workflows=[RefusedWorkflow], models={"m": lambda: ScriptedModel("hello")}) as env:
        refused = await env.run(RefusedWorkflow.run)
    words = {
        "twice": "has a TurnHandOver already",
        "called": "False cannot be called",
        "check": "TurnHandOver(check=...): 3 cannot be called",
        "checkpoints": "checkpointing=True",
        "at once": "several turns at once",
        "plain": "Build a TemporalAgent",
        "carried": "is not a value of hand_over.carry()",
        "damaged": "damaged",
        "newer": "version 99",
    }
    assert set(refused) == set(words)
    assert {name: text for name, text in words.items() if text not in refused[name]} == {}
