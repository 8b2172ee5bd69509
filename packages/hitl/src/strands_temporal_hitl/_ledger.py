"""The questions and answers of one workflow, without Temporal: what is asked, who decided, what it means.

Times come in as arguments; the same calls give the same ledger, so a replay does too.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from strands.interrupt import Interrupt
from strands.types.tools import ToolUse
from temporalio.exceptions import ApplicationError

from ._types import (
    ALREADY_DECIDED,
    MALFORMED_DECISION,
    NOT_WHAT_WAS_SEEN,
    PAST_DEADLINE,
    UNKNOWN_APPROVAL,
    ApprovalRecord,
    Decision,
    Outcome,
    PendingApproval,
    as_json,
    digest_of,
)

NO_DECISION = "Nobody decided in time"
"""Reason of a rejection by the deadline."""

_OUTCOMES: Mapping[str, Outcome] = {"approve": "approved", "reject": "rejected", "respond": "responded"}


@dataclass(frozen=True)
class Question:
    """One interrupt that was raised.

    Attributes:
        interrupt_id: Strands' id, which the answer goes back to.
        pending: What an approver sees.
        deadline: `pending.deadline` as a time.
        tool_use_id: Id of the tool call that waits, if any.
    """

    interrupt_id: str
    pending: PendingApproval
    deadline: datetime | None
    tool_use_id: str | None


@dataclass(frozen=True)
class _Early:
    decision: Decision
    record: ApprovalRecord


class Ledger:
    """What was asked and decided in one workflow. Each question is decided once.

    Args:
        approved: What Strands gets for an approval.
        rejected: What Strands gets for a rejection.
        records: The audit trail so far.
    """

    def __init__(self, approved: Any, rejected: Any, records: Iterable[ApprovalRecord] = ()) -> None:
        self.records = list(records)
        self._approved = approved
        self._rejected = rejected
        self._open: dict[str, Question] = {}
        self._answers: dict[str, ApprovalRecord] = {
            record.id: record for record in self.records if record.outcome != "refused"
        }
        self._early: dict[str, _Early] = {}

    @property
    def pending(self) -> list[PendingApproval]:
        """What waits, the oldest first."""
        return [question.pending for question in self._open.values()]

    def ask(
        self,
        interrupts: Sequence[Interrupt],
        tool_uses: Mapping[str, ToolUse],
        now: datetime,
        deadline: timedelta | None,
    ) -> list[Question]:
        """Open a question for each interrupt; decide those for which an early decision waits."""
        asked = [
            self._question(interrupt, tool_uses.get(interrupt.id), now, deadline) for interrupt in interrupts
        ]
        for question in asked:
            early = self._early.pop(question.pending.id, None)
            if early is not None:
                self._use(early, question)
        return asked

    def check(self, value: Any, now: datetime) -> Decision:
        """Return the decision in `value` if it can be taken now.

        Raises:
            ApplicationError: If not; its type says why, its message to whom.
        """
        try:
            decision = Decision.from_wire(value)
        except (TypeError, ValueError) as error:
            raise _refusal(MALFORMED_DECISION, f"Malformed decision: {error}") from None
        question = self._open.get(decision.id)
        if question is None:
            self._check_absent(decision)
        elif question.deadline is not None and now >= question.deadline:
            raise _refusal(
                PAST_DEADLINE, f"The deadline of {decision.id!r} passed at {question.pending.deadline}"
            )
        elif not _fits(decision, question):
            raise _refusal(
                NOT_WHAT_WAS_SEEN,
                f"The decision on {decision.id!r} is about other arguments than those that wait (digest "
                f"{decision.digest}, not {question.pending.digest}). Look again, then decide",
            )
        return decision

    def decide(self, value: Any, now: datetime, update_id: str | None) -> ApprovalRecord:
        """Take the decision in `value` and return its record; of an early one, what it will be.

        Raises:
            ApplicationError: As `check`.
        """
        decision = self.check(value, now)
        record = replace(self._taken(decision), at=now.isoformat(), update_id=update_id)
        question = self._open.get(decision.id)
        if question is None:
            record = replace(record, early=True)
            self._early[decision.id] = _Early(decision, record)
            return record
        return self._write(question, _about(question, record))

    def close(self, questions: Iterable[Question], outcome: Outcome, reason: str, now: datetime) -> None:
        """Close those of `questions` that are still open with a rejection that nobody spoke."""
        for question in questions:
            if question.pending.id in self._open:
                response = self._rejected if outcome == "expired" else None
                record = ApprovalRecord(
                    question.pending.id, "", outcome, reason=reason, at=now.isoformat(), response=response
                )
                self._write(question, _about(question, record))

    def is_open(self, questions: Iterable[Question]) -> bool:
        """Tell whether one of `questions` still waits."""
        return any(question.pending.id in self._open for question in questions)

    def answer(self, question: Question) -> ApprovalRecord:
        """Return the record of a closed question."""
        return self._answers[question.pending.id]

    def _question(
        self, interrupt: Interrupt, tool_use: ToolUse | None, now: datetime, deadline: timedelta | None
    ) -> Question:
        until = None if deadline is None else now + deadline
        tool = None if tool_use is None else tool_use["name"]
        arguments = None if tool_use is None else as_json(tool_use["input"])
        pending = PendingApproval(
            id=_unused(interrupt.id, lambda id_: id_ in self._open or id_ in self._answers),
            name=interrupt.name,
            question=as_json(interrupt.reason),
            tool=tool,
            arguments=arguments,
            digest=None if tool is None else digest_of(tool, arguments),
            asked_at=now.isoformat(),
            deadline=None if until is None else until.isoformat(),
        )
        question = Question(interrupt.id, pending, until, None if tool_use is None else tool_use["toolUseId"])
        self._open[pending.id] = question
        return question

    def _check_absent(self, decision: Decision) -> None:
        early = self._early.get(decision.id)
        taken = early.record if early else self._answers.get(decision.id)
        if taken is not None and taken.outcome == "expired":
            raise _refusal(PAST_DEADLINE, f"The deadline of {decision.id!r} passed at {taken.at}")
        if taken is not None:
            by = f" by {taken.by}" if taken.by else ""
            raise _refusal(ALREADY_DECIDED, f"{decision.id!r} is already {taken.outcome}{by}, at {taken.at}")
        if not decision.early:
            raise _refusal(
                UNKNOWN_APPROVAL,
                f"Nothing with the id {decision.id!r} waits. Pending: {list(self._open)}. A decision on what "
                "was not asked yet needs early=True",
            )

    def _use(self, early: _Early, question: Question) -> None:
        record = _about(question, early.record)
        if _fits(early.decision, question):
            self._write(question, record)
            return
        reason = "Given for other arguments than those that were asked about"
        self.records.append(replace(record, outcome="refused", reason=reason, response=None))

    def _taken(self, decision: Decision) -> ApprovalRecord:
        responses = {"approve": self._approved, "reject": self._rejected, "respond": decision.response}
        return ApprovalRecord(
            decision.id,
            "",
            _OUTCOMES[decision.verdict],
            by=decision.by,
            reason=decision.reason,
            response=responses[decision.verdict],
        )

    def _write(self, question: Question, record: ApprovalRecord) -> ApprovalRecord:
        del self._open[question.pending.id]
        self._answers[record.id] = record
        self.records.append(record)
        return record


def _about(question: Question, record: ApprovalRecord) -> ApprovalRecord:
    pending = question.pending
    return replace(
        record, name=pending.name, asked_at=pending.asked_at, tool=pending.tool, digest=pending.digest
    )


def _fits(decision: Decision, question: Question) -> bool:
    return decision.digest is None or decision.digest == question.pending.digest


def _unused(id_: str, used: Callable[[str], bool]) -> str:
    number, candidate = 1, id_
    while used(candidate):
        number += 1
        candidate = f"{id_}#{number}"
    return candidate


def _refusal(kind: str, message: str) -> ApplicationError:
    return ApplicationError(message, type=kind, non_retryable=True)
