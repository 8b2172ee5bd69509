"""Publishes the begins and the ends of turns and of sub-agents, and the questions at the end of a turn."""

import sys
from typing import Any

from strands import Agent
from strands.agent.agent_result import AgentResult
from strands.hooks import BeforeInvocationEvent
from strands.interrupt import Interrupt

from strands_temporal.extension import are_questions_told, is_client_call, utf8_text

from ._cut import INPUT_CHARACTERS, as_json, counts, error_text
from ._decision_types import Decision, QuestionAsked, QuestionDecided
from ._life import Life
from ._life_types import AgentEnded, AgentStarted, Failed, TurnStarted
from ._places import Place
from ._types import PendingInterrupt, TurnEnd

_CALL_INTERRUPT = "v1:before_tool_call:"
"""Begins the id of an interrupt that a hook raised before a tool call (Strands 1.62: hooks/events.py)."""


def turn_started(current: Life, event: BeforeInvocationEvent, place: Place) -> None:
    """Publish that the outermost agent begins a turn, or goes on with it."""
    agent, messages = event.agent, event.messages or ()
    _publish_answers(current, agent, place)
    current.begin_turn(goes_on=not messages)
    prompt: Any = None
    if messages:
        content: list[Any] = list(messages[-1]["content"])
        is_text = len(content) == 1 and content[0].keys() == {"text"}
        prompt = content[0]["text"] if is_text else content
    shown, cut = _cut(prompt) if isinstance(prompt, str) else as_json(prompt)
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
        text, cut = _cut(_text_of(result))
        if result.structured_output is not None:
            output, is_large = as_json(result.structured_output.model_dump(mode="json"))
            cut = cut or is_large
    asked = list((result.interrupts if result else None) or ())
    for interrupt in asked:
        publish_interrupted(current, interrupt, place, agent.name)
    current.publish(
        TurnEnd(
            result.stop_reason if result else ("end_turn" if is_cancelled else None),
            tuple(
                PendingInterrupt(one.id, one.name, *as_json(one.reason, INPUT_CHARACTERS // len(asked)))
                for one in asked
            ),
            result=text,
            structured_output=output,
            usage=dict(current.state.turn_usage),
            truncated=cut,
            error=error,
        ),
        place,
        agent.name,
    )
    if not are_questions_told(agent):
        for interrupt in asked:
            if not is_client_call(interrupt) and interrupt.id not in current.state.questions:
                current.publish(_question(interrupt), place, agent.name)


def agent_started(current: Life, agent: Agent, place: Place) -> None:
    """Publish that a sub-agent begins."""
    current.publish(AgentStarted(tool_use_id=place.tool_use_id), place, agent.name)


def agent_ended(current: Life, agent: Agent, result: AgentResult | None, place: Place) -> None:
    """Publish that a sub-agent ended."""
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


def publish_failure(current: Life, place: Place, name: str) -> str | None:
    """Publish the error that is being raised, and return it as text; None if there is none."""
    raised = sys.exc_info()[1]  # Strands calls the hooks for the end of a turn while the error is raised
    if raised is None:
        return None
    error, message = error_text(raised)
    current.publish(Failed(error=error, message=message), place, name)
    return f"{error}: {message}" if message else error


def publish_interrupted(current: Life, interrupt: Interrupt, place: Place, name: str) -> None:
    """Publish that a hook or an intervention stopped a tool call with a question."""
    if not interrupt.id.startswith(_CALL_INTERRUPT) or interrupt.id in current.state.questions:
        return
    tool_use_id = interrupt.id[len(_CALL_INTERRUPT) :].rpartition(":")[0]
    if tool_use_id in current.interrupted:
        return
    current.interrupted.add(tool_use_id)
    decision = Decision(kind="hook", name=interrupt.name, tool_use_id=tool_use_id, outcome="interrupted")
    current.publish(decision, place, name)


def _publish_answers(current: Life, agent: Agent, place: Place) -> None:
    """Publish the answers that came in a prompt. Plugins that ask people tell of theirs."""
    if not current.state.questions or are_questions_told(agent):
        return
    # Calls the base class's method, because a TemporalAgent refuses snapshots to its users.
    state = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    for stored in state["interrupts"].values():
        question = current.state.questions.get(stored["id"])
        if question is not None and stored["response"] is not None:
            answer, cut = as_json(stored["response"])
            decided = QuestionDecided(
                id=question.id, name=question.name, outcome="answered", answer=answer, truncated=cut
            )
            current.publish(decided, place, agent.name)


def _question(interrupt: Interrupt) -> QuestionAsked:
    reason, cut = as_json(interrupt.reason)
    tool_use_id = None
    if interrupt.id.startswith(_CALL_INTERRUPT):
        tool_use_id = interrupt.id[len(_CALL_INTERRUPT) :].rpartition(":")[0]
    return QuestionAsked(
        id=interrupt.id, name=interrupt.name, reason=reason, truncated=cut, tool_use_id=tool_use_id
    )


def _text_of(result: AgentResult) -> str:
    return "\n".join(block["text"] for block in result.message["content"] if "text" in block)


def _cut(text: str) -> tuple[str, bool]:
    return utf8_text(text[:INPUT_CHARACTERS], "replace"), len(text) > INPUT_CHARACTERS
