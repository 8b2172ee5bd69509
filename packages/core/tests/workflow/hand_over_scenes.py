"""Turns that go on from run to run of a workflow, and the same turns in a plain agent."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from packages.core.tests.workflow.hand_over_cases import CASES, Case, add, look_up, plain_look_up
from strands import Agent
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
)
from temporalio import workflow

from strands_temporal import AgentCarry, TemporalAgent, TemporalModel
from strands_temporal.activity import encode
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import TurnHandOver, activity_as_tool


class Events(HookProvider):
    """Records the hook events of a turn. That another run begins with the rest of the turn is no news."""

    def __init__(self, seen: list[Any], *, rest: bool = False) -> None:
        self.seen = seen
        self._rest = rest

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        for kind in (
            BeforeInvocationEvent,
            AfterInvocationEvent,
            BeforeModelCallEvent,
            AfterModelCallEvent,
            BeforeToolsEvent,
            AfterToolsEvent,
            BeforeToolCallEvent,
            AfterToolCallEvent,
            MessageAddedEvent,
        ):
            registry.add_callback(kind, self._record)

    def _record(self, event: Any) -> None:
        if self._rest and isinstance(event, BeforeInvocationEvent):
            assert event.messages == [], "the conversation has the prompt"
            self._rest = False
            return
        result: Any = getattr(event, "result", None)
        self.seen.append([type(event).__name__, getattr(result, "stop_reason", None)])


@dataclass
class Turn:
    """The turns of a case, or what is left of them."""

    case: str
    carry: AgentCarry | None = None
    rest: dict[str, Any] = field(default_factory=dict[str, Any])
    seen: list[Any] = field(default_factory=list[Any])
    turn: int = 0
    answers: int = 0
    asked: list[str] | None = None
    runs: int = 1


@workflow.defn
class LongTurnWorkflow:
    """Runs a case. Every few steps, and at each question, it continues as new."""

    @workflow.run
    async def run(self, turn: Turn) -> dict[str, Any]:
        case = CASES[turn.case]
        events = Events(turn.seen, rest=bool(turn.rest))
        model = TemporalModel(turn.case, stateful=True) if case.stateful else TemporalModel(turn.case)

        def build(**options: Any) -> Agent:
            return TemporalAgent(model, callback_handler=None, **options)

        agent = built(build, case, events, activity_as_tool(look_up), carry=turn.carry)
        made = itertools.count(1)
        hand_over = TurnHandOver(agent, lambda: next(made) % case.every == 0, carried=turn.rest)
        arguments = case.arguments()
        while True:
            prompt: Any = case.prompts[turn.turn]
            if turn.asked:
                prompt = responses(turn.asked, case.answers[turn.answers - 1])
            result = await hand_over.run(lambda prompt: agent.invoke_async(prompt, **arguments), prompt)
            assert hand_over.stopped is (result is None)
            if result is not None and not result.interrupts:
                turn.asked = None
                turn.turn += 1
                if turn.turn == len(case.prompts):
                    return {**observed(agent, result, turn.seen), "runs": turn.runs}
                continue
            if result is not None:
                turn.asked, turn.answers = [each.id for each in result.interrupts or ()], turn.answers + 1
            turn.carry, turn.rest, turn.runs = agent.carry(), hand_over.carry(), turn.runs + 1
            workflow.continue_as_new(turn)


def built(build: Callable[..., Agent], case: Case, events: Events, lookup: Any, **more: Any) -> Any:
    options = case.options(build)
    options["hooks"] = [events, *options.get("hooks", [])]
    return build(**{"tools": [lookup, add], "name": "main", **options, **more})


def responses(asked: list[str], answer: str) -> list[Any]:
    return [{"interruptResponse": {"interruptId": each, "response": answer}} for each in asked]


async def in_plain_strands(case: Case) -> tuple[dict[str, Any], ScriptedModel]:
    """Run a case in a plain agent. Return what can be seen of it, and its model."""
    model = case.model()
    events = Events([])

    def build(**options: Any) -> Agent:
        return Agent(model, callback_handler=None, **options)

    agent = built(build, case, events, plain_look_up)
    arguments = case.arguments()
    answers = iter(case.answers)
    result: Any = None
    for prompt in case.prompts:
        result = await agent.invoke_async(prompt, **arguments)
        while result.interrupts:
            asked = [each.id for each in result.interrupts]
            result = await agent.invoke_async(responses(asked, next(answers)), **arguments)
    return observed(agent, result, events.seen), model


def observed(agent: Agent, result: Any, events: list[Any]) -> dict[str, Any]:
    """Return all that can be seen of an agent after its turns, as JSON values."""
    metrics = agent.event_loop_metrics
    last = metrics.agent_invocations[-1]
    return encode(
        {
            "messages": [bare(message) for message in agent.messages],
            "stop_reason": result.stop_reason,
            "last": bare(result.message),
            "text": str(result),
            "output": result.structured_output and result.structured_output.model_dump(),
            "result state": result.state,
            "agent state": agent.state.get(),
            "system prompt": agent.system_prompt,
            "manager": agent.conversation_manager.get_state(),
            "cycles": metrics.cycle_count,
            "usage": dict(metrics.accumulated_usage),
            "turn's usage": dict(last.usage),
            "turn's cycles": [dict(cycle.usage) for cycle in last.cycles],
            "unequal ids": len({cycle.event_loop_cycle_id for cycle in last.cycles}),
            "durations": len(metrics.cycle_durations) >= len(last.cycles),
            "tools": {
                name: [each.call_count, each.success_count, each.error_count]
                for name, each in sorted(metrics.tool_metrics.items())
            },
            "events": events,
        }
    )


def bare(message: Any) -> dict[str, Any]:
    """Return a message without what differs from run to run of one program: its id and the time it took."""
    usage = message.get("metadata", {}).get("usage")
    return {"role": message["role"], "content": message["content"], "usage": usage}


def asked_of(model: ScriptedModel) -> list[str]:
    """Return what a model was asked, call by call."""
    return [
        json.dumps(
            [
                encode([bare(message) for message in call.messages]),
                [call.tool_names, call.system_prompt, encode(call.tool_choice)],
            ]
        )
        for call in model.calls
    ]
