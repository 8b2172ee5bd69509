"""Tells of questions and decisions those who show what a run does, for example its stream."""

from typing import Any

from strands_temporal.extension import QuestionNote, tell_note

from ._state import Question
from ._types import ApprovalRecord


def tell_asked(question: Question) -> None:
    """Tell that a question is asked."""
    tell_note(_note(question))


def tell_decided(question: Question, record: ApprovalRecord) -> None:
    """Tell that a question is decided."""
    tell_note(_note(question, record))


def _note(question: Question, record: ApprovalRecord | None = None) -> QuestionNote:
    pending = question.pending
    return QuestionNote(
        pending.id,
        pending.name,
        pending.question,
        pending.agent or "",
        question.tool_use_id,
        pending.deadline,
        outcome=record.outcome if record else None,
        by=record.by if record else "",
        at=record.at if record else "",
        answer=_answer(record) if record else None,
    )


def _answer(record: ApprovalRecord) -> Any:
    return record.response if record.edited_arguments is None else record.edited_arguments
