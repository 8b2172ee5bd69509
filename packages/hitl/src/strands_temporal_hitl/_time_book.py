"""The part of a workflow's ledger for time: reminders, and what happens at deadlines.

It makes no calls to Temporal, and times are arguments.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ._deciders import Deciders
from ._records import about_question
from ._state import Pause, Question, Times
from ._times import QuestionTimes, moment
from ._types import ApprovalRecord, Outcome
from ._vote_book import VoteBook
from ._voting import as_asked, counted, restricted

NO_DECISION = "Nobody decided in time"
"""Reason of what happens at a deadline."""

_ELSEWHERE = "The run ended at the deadline of another question"

AT_DEADLINE = frozenset({"expired", "expired_approved", "expired_failed"})
"""Outcomes of questions that nobody decided in time."""


@dataclass(frozen=True)
class Due:
    """What comes next for the questions of a pause.

    Attributes:
        at: When.
        is_deadline: Whether it is a deadline, or else a reminder.
        questions: How many questions it is about.
    """

    at: datetime
    is_deadline: bool
    questions: int


class TimeBook(VoteBook):
    """Applies the passing of time to questions. Its `times` are set before questions are asked."""

    times: QuestionTimes | None = None
    """The times of the workflow's questions."""

    @abstractmethod
    def close(self, pause: Pause, outcome: Outcome, reason: str, now: datetime) -> None:
        """Close the open questions of a pause without a person's decision."""

    def next_due(self, pause: Pause) -> Due | None:
        """Return the next deadline or reminder of a pause's open questions; None if there is none."""
        found: list[tuple[datetime, bool]] = []
        for question in self._open_of(pause):
            if question.deadline is not None:
                found.append((question.deadline, True))
            if question.waiting is not None and question.waiting.reminder_at is not None:
                found.append((moment(question.waiting.reminder_at), False))
        if not found:
            return None
        at = min(at for at, _ in found)
        kinds = [is_deadline for each, is_deadline in found if each == at]
        return Due(at, any(kinds), len(kinds))

    def pass_time(self, pause: Pause, until: datetime, now: datetime) -> None:
        """Apply all that comes up to a time: reminders, and what happens at deadlines.

        Args:
            pause: The pause.
            until: The time up to which things have come.
            now: The time, for records and for what follows.
        """
        for question in self._open_of(pause):
            if question.pending.id not in self._open:  # closed with another one
                continue
            if question.deadline is not None and question.deadline <= until:
                self._end_in_time(pause, question, now)
                continue
            waiting = question.waiting
            if self.times and waiting and waiting.reminder_at and moment(waiting.reminder_at) <= until:
                after = max(now, moment(waiting.reminder_at))
                reminded = self.times.reminded(waiting, after, question.pending.deadline)
                self.put(replace(question, waiting=reminded))

    def failed(self, pause: Pause) -> ApprovalRecord | None:
        """Return the record of the question at whose deadline the run is to fail, if there is one."""
        ids = {question.pending.id for question in pause.questions}
        found = (r for r in reversed(self.state.records) if r.outcome == "expired_failed" and r.id in ids)
        return next(found, None)

    def _open_of(self, pause: Pause) -> list[Question]:
        return [each for each in pause.questions if each.pending.id in self._open]

    def _times_of(
        self, question: Question, now: datetime, *, is_plain: bool, judges: bool
    ) -> tuple[str | None, Any]:
        """Return the deadline of a question that is asked now, and how it waits."""
        if self.times is None:
            return None, None
        rule: Mapping[str, Any] | None = self._policy.time_of(question, now) if judges else None
        return self.times.begin(self.times.of(rule, is_plain=is_plain), now)

    def _end_in_time(self, pause: Pause, question: Question, now: datetime) -> None:
        """Do what is set for a question's deadline."""
        waiting = question.waiting
        times = waiting.times if waiting else Times()
        action = times.at_deadline
        if waiting is not None and waiting.escalated:
            to = _names(times.escalate_to)
            self._expire(question, "expired", f"{NO_DECISION}, also not after it went to {to}", now)
        elif action == "escalate" and waiting is not None and self.times is not None:
            self._escalate(question, now)
        elif action == "approve" and "approve" in question.pending.allowed_decisions:
            self._expire(question, "expired_approved", NO_DECISION, now)
        elif action == "fail":
            self._expire(question, "expired_failed", NO_DECISION, now)
            self.close(pause, "withdrawn", _ELSEWHERE, now)
        else:
            self._expire(question, "expired", NO_DECISION, now)

    def _expire(self, question: Question, outcome: Outcome, reason: str, now: datetime) -> None:
        response = self._approved if outcome == "expired_approved" else self._rejected
        record = ApprovalRecord(
            question.pending.id, "", outcome, reason=reason, at=now.isoformat(), response=response
        )
        record = replace(record, votes=question.pending.votes)
        question = as_asked(question)  # what others proposed has not got its votes
        self.put(question)
        self._write(question, about_question(question, record))

    def _escalate(self, question: Question, now: datetime) -> None:
        """Let other people decide a question, until a new deadline. Votes of those who still may stay."""
        waiting = question.waiting
        if waiting is None or self.times is None or waiting.times.escalate_to is None:
            return
        to = Deciders(**waiting.times.escalate_to)
        deadline, waiting = self.times.escalated(waiting, now)
        record = ApprovalRecord(question.pending.id, "", "escalated", reason=NO_DECISION, at=now.isoformat())
        record = about_question(question, replace(record, to=_to(to), votes=question.pending.votes))
        if self._policy.version is not None:
            record = replace(record, layer="people", policy_version=self._policy.version)
        self._append(record)
        question = restricted(question, to, approvable=True, verified=self._proofs.verified)
        pending = replace(question.pending, deadline=deadline)
        question = replace(question, pending=pending, waiting=waiting, is_fixed=True)
        self.put(question)
        if pending.votes and (outcome := counted(question)) is not None:  # it takes fewer people now
            record = ApprovalRecord(pending.id, "", outcome, at=now.isoformat(), verified=True)
            self._finish(question, outcome, record, now)


def _to(deciders: Deciders) -> dict[str, str]:
    """Return who may decide now, as a record tells it."""
    found = {"group": deciders.groups, "person": deciders.people}
    return {name: ", ".join(each) for name, each in found.items() if each}


def _names(deciders: Mapping[str, Any] | None) -> str:
    return " or ".join(_to(Deciders(**(deciders or {}))).values())
