"""Makes the records of decisions: lines of the audit trail."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._allowed import LARGEST_EDIT
from ._decision import Decision
from ._shown import beginning, digest_of
from ._state import Question
from ._types import ApprovalRecord, Outcome

_OUTCOMES: Mapping[str, Outcome] = {
    "approve": "approved",
    "reject": "rejected",
    "edit": "edited",
    "respond": "responded",
    "delegate": "delegated",
}


def new_record(decision: Decision, approved: Any, rejected: Any) -> ApprovalRecord:
    """Return the record of a decision, before it is known what it is about.

    Args:
        decision: The decision.
        approved: The response that Strands gets for an approval.
        rejected: The response that Strands gets for a rejection.
    """
    responses = {
        "approve": approved,
        "reject": rejected,
        "edit": approved,
        "respond": decision.response,
        "delegate": None,
    }
    return ApprovalRecord(
        decision.id,
        "",
        _OUTCOMES[decision.verdict],
        by=decision.by,
        reason=decision.reason,
        response=responses[decision.verdict],
        edited_arguments=decision.arguments,
    )


def about_question(question: Question, record: ApprovalRecord) -> ApprovalRecord:
    """Return the record of a decision on a question."""
    pending = question.pending
    record = replace(
        record,
        name=pending.name,
        asked_at=pending.asked_at,
        tool=pending.tool,
        digest=pending.digest,
        agent=pending.agent,
    )
    edited = record.edited_arguments
    if edited is None:
        return record
    digest = digest_of(pending.tool or "", edited)
    if digest == pending.digest:  # the person changed nothing
        return replace(record, outcome="approved", edited_arguments=None)
    asked = beginning(pending.arguments, LARGEST_EDIT)
    return replace(record, asked_arguments=asked, edited_digest=digest)
