"""The part of a workflow's ledger for those who decide: votes, proposals, delegations, changed deciders.

It makes no calls to Temporal, and times are arguments.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from strands_temporal import AgentValueError

from ._deciders import Deciders, strictest
from ._decision import Decision
from ._in_force import by_policy, calls_of
from ._policy import Judgement
from ._policy_book import PolicyBook
from ._records import about_question
from ._shown import digest_of
from ._state import Question
from ._types import ApprovalRecord, Outcome
from ._voting import (
    as_asked,
    check_person,
    counted,
    deciders_of,
    deciding,
    may_still,
    refuse_nobody,
    restricted,
    voted,
)
from ._who import Who

_OTHERS = "The policy changed: now other people have to decide"


class VoteBook(PolicyBook):
    """The votes on the questions of one workflow."""

    def asked_by(self, person: str | None) -> list[str]:
        """Return those whose own request a turn is, as far as the workflow tells.

        Args:
            person: Who asked for the turn.

        Raises:
            AgentValueError: If a rule is about them, and nobody is named.
        """
        own = [each for each in (self._started_by, person) if each is not None]
        self._knows_askers = bool(own) and self._knows_askers is not False
        if not own and self._policy.four_eyes:
            raise AgentValueError(
                "approvals.run: four_eyes needs to know who asked: Approvals(started_by=...), or "
                "approvals.run(..., asked_by=...). Otherwise people could approve their own request"
            )
        return own

    def acted_on(self, question: Question, record: ApprovalRecord, now: datetime) -> ApprovalRecord:
        """See base class. A decision of people counts only if these may decide the call still."""
        record = super().acted_on(question, record, now)
        is_yes = record.outcome in ("approved", "edited", "responded") and not by_policy(record)
        may_differ = question.pending.deciders is not None or self.state.policy.changed is not None
        if not is_yes or not may_differ or question.is_fixed:
            return record
        deciders, approvable = self._deciders_with(question, record.edited_arguments, now)
        if approvable and may_still(question, deciders, record):
            return record
        found = Judgement("deny", "people", reason=_OTHERS)
        return self._write(question, self._ruled(question, found, now))

    def _restrict(self, question: Question, now: datetime, decides: Callable[[], bool]) -> Question:
        """Return a new question with those who may decide it.

        Args:
            question: The question.
            now: The time.
            decides: Called if somebody is named. Returns False if this replays a run in which nobody was.
        """
        deciders, approvable = self._deciders_with(question, None, now)
        if deciders is not None and not decides():
            deciders, approvable = None, True
        return restricted(question, deciders, approvable=approvable, verified=self._proofs.verified)

    def _check_person(self, decision: Decision, question: Question, who: Who, now: datetime) -> None:
        """Check that a person may decide so: an edit, also for the call that it makes.

        Raises:
            ApplicationError: If not. The type says why.
        """
        check_person(question, decision, who)
        if decision.arguments is not None:
            changed, approvable = self._edited(question, decision, now)
            if not approvable:
                raise refuse_nobody(decision)
            check_person(changed, decision, who)

    def _vote(
        self, decision: Decision, question: Question, record: ApprovalRecord, who: Who, now: datetime
    ) -> ApprovalRecord:
        """Count a person's decision, and return its record: the question's, if it is decided now."""
        told = about_question(question, record)
        if decision.arguments is not None:
            question, _ = self._edited(question, decision, now)
        question = voted(question, decision, who, now.isoformat())
        outcome = None if decision.verdict == "delegate" else counted(question)
        if outcome is not None:
            if decision.verdict == "respond":
                outcome = "responded"
            return self._finish(question, outcome, record, now)
        self.put(question)
        is_delegation = decision.verdict == "delegate"
        told = replace(told, outcome="delegated" if is_delegation else "voted", to=decision.to, response=None)
        self._append(told, now)
        return told

    def _finish(
        self, question: Question, outcome: Outcome, record: ApprovalRecord, now: datetime
    ) -> ApprovalRecord:
        """Decide a question by its votes."""
        pending = question.pending
        several = len(pending.votes) > 1
        made = deciding(question, outcome)
        editor = next((each for each in made if each.verdict == "edit" and outcome == "edited"), None)
        reasons = [editor.reason] if editor else [each.reason for each in made]
        record = replace(
            record,
            outcome=outcome,
            by=", ".join(each.by for each in made) or record.by,
            reason="; ".join(dict.fromkeys(each for each in reasons if each)) or record.reason,
            groups=list(dict.fromkeys(name for each in made for name in each.groups)),
            channel=", ".join(dict.fromkeys(each.channel for each in made if each.channel)),
            edited_arguments=pending.arguments if outcome == "edited" else None,
            response=self._response(outcome, record),
            votes=pending.votes if several else [],
        )
        question = as_asked(question)
        self.put(question)
        return self._write(question, about_question(question, record), now)

    def _response(self, outcome: Outcome, record: ApprovalRecord) -> Any:
        if outcome == "responded":
            return record.response
        return self._rejected if outcome == "rejected" else self._approved

    def _renew_open(self, now: datetime) -> None:
        """Let others decide the open questions, if the policy says so now. Votes of those left out drop."""
        for question in [each for each in self._open.values() if not each.is_fixed]:
            deciders, approvable = self._deciders_with(question, None, now)
            renewed = restricted(question, deciders, approvable=approvable, verified=self._proofs.verified)
            if renewed == question:
                continue
            question = renewed
            self.put(question)
            votes = question.pending.votes
            if votes and (outcome := counted(question)) is not None:
                record = ApprovalRecord(question.pending.id, "", outcome, at=now.isoformat(), verified=True)
                self._finish(question, outcome, record, now)

    def _edited(self, question: Question, decision: Decision, now: datetime) -> tuple[Question, bool]:
        """Return a question with those who may also decide the call that an edit makes."""
        deciders, approvable = self._deciders_with(question, decision.arguments, now)
        if question.is_fixed:
            deciders, both_may = strictest([deciders, deciders_of(question)])
            approvable = approvable and both_may
        if deciders == deciders_of(question):
            return question, approvable
        return restricted(
            question, deciders, approvable=approvable, verified=self._proofs.verified
        ), approvable

    def _deciders_with(
        self, question: Question, edited: dict[str, Any] | None, now: datetime
    ) -> tuple[Deciders | None, bool]:
        """Return who may decide a question by the policy: the call as asked, as proposed, and as edited."""
        asked = as_asked(question)
        calls = calls_of(asked)
        if edited is not None and digest_of(asked.pending.tool or "", edited) != asked.pending.digest:
            calls = [*calls, *calls_of(asked, edited)]
        elif edited is None and question.pending.proposed_by is not None:
            calls = [*calls, *calls_of(question)]
        return self._policy.deciders_of(calls, now)

    def put(self, question: Question) -> None:
        """Put a question in the place of the one with its id."""
        id_ = question.pending.id
        if id_ in self._open:
            self._open[id_] = question
        for pause in self.state.pauses:
            for i, each in enumerate(pause.questions):
                if each.pending.id == id_:
                    pause.questions[i] = question
