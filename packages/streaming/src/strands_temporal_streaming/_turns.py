"""Publishes the begins and the ends of turns and of sub-agents, and the questions at the end of a turn."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.hooks import BeforeInvocationEvent
from strands.interrupt import Interrupt
from strands.multiagent import MultiAgentBase

from strands_temporal.extension import are_questions_told, is_client_call, run_local, utf8_text

from ._cut import INPUT_CHARACTERS, as_json, counts, error_text, model_as_json
from ._deciding import Deciding
from ._decision_types import QuestionAsked, QuestionDecided
from ._decisions import publish_asking
from ._interventions import CALL_INTERRUPT
from ._life import Life
from ._life_types import AgentEnded, AgentStarted, ControlEvent, Failed, NodeEnded, TurnStarted
from ._places import NODE, Place
from ._types import PendingInterrupt, TurnEnd


def turn_started(current: Life, event: BeforeInvocationEvent, place: Place) -> None:
    """Publish that the outermost agent begins a turn, or goes on with it."""
    agent, messages = event.agent, event.messages or ()
    if current.state.questions:
        publish_answers(current, agent, _interrupts_of(agent), place)
    current.begin_turn(goes_on=not messages)
    prompt: Any = None
    if messages:
        content: list[Any] = list(messages[-1]["content"])
        is_text = len(content) == 1 and content[0].keys() == {"text"}
        prompt = content[0]["text"] if is_text else content
    shown, cut = shown_prompt(prompt)
    current.publish(TurnStarted(prompt=shown, truncated=cut), place, agent.name)


def turn_ended(current: Life, agent: Agent, result: AgentResult | None, place: Place) -> None:
    """Publish the end of a turn of the outermost agent, and the questions that it waits for."""
    text, output, cut, error = "", None, False, None
    is_cancelled = agent in current.cancelled
    if result is None and is_cancelled:
        text = current.cancelled.pop(agent)
    elif result is None:
        error = publish_failure(current, place, agent.name)
    elif result.stop_reason != "interrupt":
        text, cut = cut_text(text_of(result))
        output, is_large = model_as_json(result.structured_output)
        cut = cut or is_large
    if result is None or result.stop_reason == "cancelled":
        publish_ends(current, place, error)
    asked = list((result.interrupts if result else None) or ())
    publish_asking(current, agent, asked, place)
    if not asked:
        run_local(Deciding).end_turn()
    current.publish(
        TurnEnd(
            result.stop_reason if result else ("end_turn" if is_cancelled else None),
            pending(asked),
            result=text,
            structured_output=output,
            usage=dict(current.state.turn_usage),
            truncated=cut,
            error=error,
        ),
        place,
        agent.name,
    )
    publish_questions(current, agent, asked, place)


def agent_started(current: Life, agent: Agent, place: Place) -> None:
    """Publish that a sub-agent begins."""
    current.publish(AgentStarted(tool_use_id=place.tool_use_id), place, agent.name)


def agent_ended(current: Life, agent: Agent, result: AgentResult | None, place: Place) -> None:
    """Publish that a sub-agent ended."""
    publish_asking(current, agent, (result.interrupts if result else None) or (), place)
    latest = agent.event_loop_metrics.latest_agent_invocation
    error = None
    raised = sys.exc_info()[1]
    if current.cancelled.pop(agent, None) is None and result is None and raised is not None:
        error = ": ".join(error_text(raised))
    current.publish(
        AgentEnded(
            tool_use_id=place.tool_use_id,
            stop_reason=result.stop_reason if result else None,
            usage=counts(latest.usage) if latest else {},
            error=error,
        ),
        place,
        agent.name,
    )


def publish_ends(current: Life, place: Place, error: str | None) -> None:
    """Publish the ends of the sub-agents and nodes that a turn left in mid-run: it failed, or was stopped.

    Strands drops what runs beside a failing tool call, and calls no hooks for its end.
    """
    left = sorted(current.state.agents_of(place.outermost), key=lambda one: len(one.path), reverse=True)
    for one in left:
        at = replace(place, path=one.path, tool_use_id=one.tool_use_id)
        if one.path[-1].startswith(NODE):
            ended: ControlEvent = NodeEnded(node=one.path[-1][len(NODE) :], status="failed", error=error)
        else:
            ended = AgentEnded(
                tool_use_id=one.tool_use_id,
                stop_reason=None if error else "cancelled",
                error=error,
                workflow_id=one.workflow_id,
            )
        current.publish(ended, at, one.agent)


def publish_failure(current: Life, place: Place, name: str) -> str | None:
    """Publish the error that is being raised, and return it as text; None if there is none."""
    raised = sys.exc_info()[1]  # Strands calls the hooks for the end of a turn while the error is raised
    if raised is None:
        return None
    error, message = error_text(raised)
    current.publish(Failed(error=error, message=message), place, name)
    return f"{error}: {message}" if message else error


def pending(asked: Sequence[Interrupt]) -> tuple[PendingInterrupt, ...]:
    """Return interrupts as the end of a turn has them."""
    return tuple(
        PendingInterrupt(one.id, one.name, *as_json(one.reason, INPUT_CHARACTERS // len(asked)))
        for one in asked
    )


def publish_questions(
    current: Life, executor: Agent | MultiAgentBase, asked: Sequence[Interrupt], place: Place
) -> None:
    """Publish the questions with which a turn paused. Plugins that ask people tell of theirs."""
    if are_questions_told(executor):
        return
    for interrupt in asked:
        if not is_client_call(interrupt) and interrupt.id not in current.state.questions:
            current.publish(_question(interrupt), place, executor_name(executor))


def publish_answers(
    current: Life, executor: Agent | MultiAgentBase, interrupts: Iterable[Interrupt], place: Place
) -> None:
    """Publish the answers that came in a prompt. Plugins that ask people tell of theirs."""
    if are_questions_told(executor):
        return
    for interrupt in interrupts:
        question = current.state.questions.get(interrupt.id)
        if question is not None and interrupt.response is not None:
            answer, cut = as_json(interrupt.response)
            decided = QuestionDecided(
                id=question.id, name=question.name, outcome="answered", answer=answer, truncated=cut
            )
            current.publish(decided, place, executor_name(executor))


def shown_prompt(prompt: Any) -> tuple[Any, bool]:
    """Return a prompt as events have it, and whether it was cut."""
    return cut_text(prompt) if isinstance(prompt, str) else as_json(prompt)


def text_of(result: AgentResult) -> str:
    """Return the text of an agent's answer."""
    return "\n".join(block["text"] for block in result.message["content"] if "text" in block)


def cut_text(text: str) -> tuple[str, bool]:
    """Return the beginning of a text, and whether there is more."""
    return utf8_text(text[:INPUT_CHARACTERS], "replace"), len(text) > INPUT_CHARACTERS


def executor_name(executor: object) -> str:
    """Return the name of an agent, a graph or a swarm. A team may have only an id."""
    return str(getattr(executor, "name", None) or getattr(executor, "id", ""))


def _interrupts_of(agent: Agent) -> list[Interrupt]:
    # Calls the base class's method, because a TemporalAgent refuses snapshots to its users.
    state = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    return [Interrupt(**one) for one in state["interrupts"].values()]


def _question(interrupt: Interrupt) -> QuestionAsked:
    reason, cut = as_json(interrupt.reason)
    tool_use_id = None
    if interrupt.id.startswith(CALL_INTERRUPT):
        tool_use_id = interrupt.id[len(CALL_INTERRUPT) :].rpartition(":")[0]
    return QuestionAsked(
        id=interrupt.id, name=interrupt.name, reason=reason, truncated=cut, tool_use_id=tool_use_id
    )
