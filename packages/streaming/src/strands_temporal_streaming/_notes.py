"""Publishes what core and other packages tell of a run: model calls, questions, sub-agents in children."""

import asyncio

from strands_temporal.extension import (
    ChildAgentNote,
    InterventionNote,
    ModelCallNote,
    QuestionNote,
    RunNote,
)
from strands_temporal.workflow import AgentCancelledError

from ._cut import as_json, counts, error_text
from ._decision_types import QuestionAsked, QuestionDecided
from ._decisions import note_intervention
from ._life import Life
from ._life_types import (
    AgentEnded,
    AgentStarted,
    ControlEvent,
    ModelCallEnded,
    ModelCallFailed,
    ModelCallStarted,
)
from ._places import HERE


def publish_note(current: Life, note: RunNote) -> None:
    """Publish what a note tells."""
    match note:
        case QuestionNote():
            _question(current, note)
        case InterventionNote():
            note_intervention(note)
        case ChildAgentNote():
            _child(current, note)
        case ModelCallNote():
            run = None if note.agent is None else current.runs.get(note.agent)
            place = run.place if run else HERE.get()
            if place is not None:
                current.publish(_of_call(note), place, note.agent.name if note.agent else "")


def _of_call(note: ModelCallNote) -> ControlEvent:
    if isinstance(note.error, (AgentCancelledError, asyncio.CancelledError)):
        return ModelCallEnded(call=note.call, stop_reason="cancelled")
    if note.error is not None:
        name, message = error_text(note.error)
        return ModelCallFailed(call=note.call, error=name, message=message)
    if note.stop_reason is None:
        return ModelCallStarted(call=note.call, model=note.model)
    return ModelCallEnded(
        call=note.call,
        stop_reason=note.stop_reason,
        usage=counts(note.usage),
        metrics=counts(note.metrics),
    )


def _question(current: Life, note: QuestionNote) -> None:
    if current.topic is None:
        return
    place = current.place_of(note.agent, current.topic)
    if note.outcome is None:
        reason, cut = as_json(note.reason)
        event: ControlEvent = QuestionAsked(
            id=note.id,
            name=note.name,
            reason=reason,
            truncated=cut,
            tool_use_id=note.tool_use_id,
            deadline=note.deadline,
        )
    else:
        answer, cut = as_json(note.answer)
        event = QuestionDecided(
            id=note.id,
            name=note.name,
            outcome=note.outcome,
            by=note.by,
            at=note.at,
            answer=answer,
            truncated=cut,
        )
    current.publish(event, place, note.agent)


def _child(current: Life, note: ChildAgentNote) -> None:
    run = current.runs.get(note.agent)
    if run is None:
        return
    place = run.place.of_tool(note.tool_use_id).of_agent(note.name)
    if note.stop_reason is None and note.error is None:
        started = AgentStarted(tool_use_id=note.tool_use_id, workflow_id=note.workflow_id, run_id=note.run_id)
        current.publish(started, place, note.name)
        return
    ended = AgentEnded(
        tool_use_id=note.tool_use_id,
        stop_reason=note.stop_reason,
        usage=counts(note.usage),
        error=": ".join(filter(None, error_text(note.error))) if note.error else None,
        workflow_id=note.workflow_id,
        run_id=note.run_id,
    )
    current.publish(ended, place, note.name)
