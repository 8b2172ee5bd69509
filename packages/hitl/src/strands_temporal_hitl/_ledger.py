"""The ledger of one workflow: its questions, and the decisions on them.

It makes no calls to Temporal, and times are arguments. So the same calls give the same ledger, even in a
replay.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from strands.interrupt import Interrupt
from temporalio.exceptions import ApplicationError

from ._allowed import AllowedDecisions, check_fits, digest_matches, refusal
from ._audit import AuditChain, asked_data
from ._bounds import too_long, too_much_early
from ._deciders import Deciders
from ._decision import Decision
from ._in_force import PolicyInForce, until
from ._notes import tell_asked, tell_decided
from ._policy import Judgement
from ._policy_checks import check_policy
from ._policy_types import WAITS
from ._protocol import ALREADY_DECIDED, MALFORMED_DECISION, PAST_DEADLINE, TOO_MUCH_EARLY, UNKNOWN_APPROVAL
from ._records import about_question, new_record
from ._shown import digest_of, digest_of_calls
from ._state import EarlyDecision, Granted, LedgerState, Pause, Question, Ruled
from ._time_book import AT_DEADLINE, NO_DECISION, TimeBook
from ._turn import Asked
from ._types import NOT_FINAL, ApprovalRecord, Outcome, PendingApproval
from ._values import as_json
from ._voting import as_asked
from ._who import UsedProofs, Who, by_whom

__all__ = ["NO_DECISION", "Ledger"]


class Ledger(TimeBook):
    """The questions and decisions of one workflow. Each question is decided once.

    Args:
        approved: The response that Strands gets for an approval.
        rejected: The response that Strands gets for a rejection.
        state: The state from an earlier run, if any.
        allowed: The kinds of decision that people may make; None allows all.
        policy: The policy that judges calls; by default none.
        verified: Whether each decision needs a proof of who decides.
        started_by: Who started the workflow.
        admins: Who may change the policy; None for anybody who may decide.
        chain: The audit chain of the workflow's run, with the head in `state`.
    """

    def __init__(
        self,
        approved: Any,
        rejected: Any,
        state: LedgerState | None = None,
        allowed: AllowedDecisions | None = None,
        policy: PolicyInForce | None = None,
        *,
        verified: bool = False,
        started_by: str | None = None,
        admins: Deciders | None = None,
        chain: AuditChain | None = None,
    ) -> None:
        state = state or LedgerState()
        super().__init__(
            state,
            approved,
            rejected,
            policy or PolicyInForce(None, state.policy),
            UsedProofs(state.proofs, verified=verified),
            started_by=started_by,
            admins=admins,
            chain=chain,
        )
        self._allowed = allowed or AllowedDecisions(None)
        self._early_came = 0
        self._answers = {r.id: r for r in self.state.records if r.outcome not in NOT_FINAL}
        questions = [question for pause in self.state.pauses for question in pause.questions]
        self._open |= {q.pending.id: q for q in questions if q.pending.id not in self._answers}
        # Pauses that no `Approvals.run` works on now: from an earlier run, or given back by `release`.
        self._unclaimed = list(self.state.pauses)

    @property
    def records(self) -> list[ApprovalRecord]:
        """The audit trail."""
        return self.state.records

    @property
    def pending(self) -> list[PendingApproval]:
        """The questions that wait, oldest first."""
        return [question.pending for question in self._open.values()]

    def ask(
        self,
        agent_id: str,
        interrupts: Sequence[tuple[Interrupt, Asked]],
        *,
        now: datetime,
        deadline: timedelta | None = None,
        is_plain: bool = False,
        run_id: str = "",
        granted: Sequence[Granted] = (),
        ruled: Sequence[Ruled] = (),
        strict: Callable[[], bool] = lambda: True,
        refuses: Callable[[int], bool] = lambda _: True,
        judges: bool = True,
        own: Sequence[str] = (),
        decides: Callable[[], bool] = lambda: True,
    ) -> Pause:
        """Open a question for each interrupt. Decide those that an early decision or the policy answers.

        Args:
            agent_id: Id of the agent that asks.
            interrupts: The interrupts and their subjects.
            now: The time.
            deadline: How long the questions wait, if the ledger has no `times`.
            is_plain: Whether only the deadline counts of the settings of time for all questions.
            run_id: The workflow's run.
            granted: The calls that people allowed earlier in this turn.
            ruled: The judge's rulings in this turn.
            strict: Called if an early decision does not match the call that is shown now, but matches the
                call as earlier releases showed it. Returns True to refuse such a decision.
            refuses: Called if an early decision is of a kind that the question does not take, or an edit that
                does not fit the tool: with the number of early decisions so far. Returns False if this
                replays a run in which the decision was taken.
            judges: Whether the policy judges the questions; not if this replays a run that had none.
            own: Who started the workflow, and who asked for the turn.
            decides: Called if it is named who may decide. Returns False if this replays a run in which nobody
                was.
        """
        asked: list[Question] = []
        for interrupt, about in interrupts:
            question = replace(self._question(interrupt, about, now.isoformat()), own=[*own])
            end, waiting = self._times_of(question, now, is_plain=is_plain, judges=judges)
            if deadline is not None:
                end = (now + deadline).isoformat()
            question = replace(question, pending=replace(question.pending, deadline=end), waiting=waiting)
            asked.append(self._restrict(question, now, decides))
            self._open[question.pending.id] = asked[-1]
            tell_asked(asked[-1])
            if question.pending.question != WAITS:
                self._audit("asked", question.pending.id, asked_data(asked[-1].pending), now)
        ids = ":".join([run_id, *(question.pending.id for question in asked)])
        notice_id = hashlib.sha256(ids.encode()).hexdigest()[:32]
        pause = Pause(agent_id, asked, notice_id, granted=list(granted), ruled=list(ruled))
        self.state.pauses.append(pause)
        for question, (_, about) in zip([*asked], interrupts, strict=True):
            early = self.state.early.pop(question.pending.id, None)
            if early is not None:
                self._early_came += 1
                denial = self._policy.denial(question, early.decision.arguments, now) if judges else None
                self._apply_early(early, question, about.former_digest, strict, refuses, denial, now)
            if judges:
                self._judge(self._open.get(question.pending.id, question), now)
            if question.pending.question == WAITS and question.pending.id in self._open:
                self._audit("asked", question.pending.id, asked_data(question.pending), now)
        return pause

    def claim(self, agent_id: str, interrupt_ids: Collection[str]) -> Pause | None:
        """Claim the pause of an agent that waits with these interrupts; None if there is none to claim."""
        for pause in self._unclaimed:
            if pause.agent_id == agent_id and pause.interrupt_ids <= set(interrupt_ids):
                self._unclaimed.remove(pause)
                return pause
        return None

    def release(self, pause: Pause) -> None:
        """Give a pause back with its questions open, for a later `claim` in this run or the next."""
        self._unclaimed.append(pause)

    def has_unclaimed(self, agent_id: str) -> bool:
        """Tell whether a pause of an agent with this id can be claimed by `claim`."""
        return any(pause.agent_id == agent_id for pause in self._unclaimed)

    def settle(self, pause: Pause) -> list[tuple[Question, ApprovalRecord]]:
        """Remove a pause whose questions are all decided, and return its answers for the agent."""
        self.state.pauses.remove(pause)
        return [(question, self._answers[question.pending.id]) for question in pause.questions]

    def check(self, value: Any, now: datetime, *, seen: bool = False) -> Decision:
        """Return the decision in `value` if it can be taken now.

        Args:
            value: The decision.
            now: The time.
            seen: Whether this replays a decision that was accepted. Its digest, its kind, its arguments, its
                size and its time were checked then, and are not checked again.

        Raises:
            ApplicationError: If the decision cannot be taken. The type says why; the message explains it.
        """
        return self._checked(value, now, seen=seen)[0]

    def _checked(self, value: Any, now: datetime, *, seen: bool) -> tuple[Decision, Who]:
        try:
            decision = Decision.from_wire(value)
        except (TypeError, ValueError, RecursionError) as error:  # the last one from text of a deep value
            raise refusal(MALFORMED_DECISION, f"Malformed decision: {error}") from None
        if not seen and (why := too_long(decision.to_wire())):
            raise refusal(MALFORMED_DECISION, f"Malformed decision: {why}")
        needed = self._policy.restricts
        who = self._proofs.who(decision.proof, decision.by, needed=needed, seen=seen)
        decision = replace(decision, by=who.name)
        question = self._open.get(decision.id)
        if question is None:
            self._check_absent(decision, seen=seen)
        elif question.deadline is not None and now >= question.deadline and not seen:
            raise refusal(
                PAST_DEADLINE, f"The deadline of {decision.id!r} passed at {question.pending.deadline}"
            )
        elif not seen:
            check_fits(decision, question)
            self._check_person(decision, question, who, now)
        if not seen:
            check_policy(self._policy, decision, question, now)
        return decision, who

    def decide(
        self, value: Any, now: datetime, update_id: str | None, *, seen: bool = False
    ) -> ApprovalRecord:
        """Apply the decision in `value` and return its record. An early decision's record is preliminary.

        Args:
            value: The decision.
            now: The time.
            update_id: Temporal's id of the update.
            seen: As in `check`.

        Raises:
            ApplicationError: If `check` refuses the decision.
        """
        decision, who = self._checked(value, now, seen=seen)
        self._proofs.use(decision.proof, now)
        decision = replace(decision, proof=None)
        record = new_record(decision, self._approved, self._rejected)
        record = replace(record, at=now.isoformat(), update_id=update_id, **by_whom(who))
        question = self._open.get(decision.id)
        if question is None:
            record = replace(record, early=True)
            self.state.early[decision.id] = EarlyDecision(decision, record)
            return record
        return self._take(decision, question, record, who, now)

    def record_of(self, update_id: str) -> ApprovalRecord | None:
        """Return the record of the decision that came by update or signal under this id."""
        early = [each.record for each in self.state.early.values()]
        return next((r for r in [*reversed(self.records), *early] if r.update_id == update_id), None)

    def close(self, pause: Pause, outcome: Outcome, reason: str, now: datetime) -> None:
        """Close the open questions of a pause without a person's decision."""
        for question in pause.questions:
            if question.pending.id in self._open:
                response = self._rejected if outcome == "expired" else None
                record = ApprovalRecord(
                    question.pending.id, "", outcome, reason=reason, at=now.isoformat(), response=response
                )
                record = replace(record, votes=question.pending.votes)
                question = as_asked(question)
                self.put(question)
                self._write(question, about_question(question, record))

    def misfits(self, edited: Granted, why: str, now: datetime) -> None:
        """Record that the arguments of an edit no longer fitted the tool, so that its call did not run."""
        answer = self._answers.get(edited.question)
        known = [record.id for record in self.records if record.outcome == "refused"]
        if answer is not None and answer.id not in known:
            at = now.isoformat()
            self._append(replace(answer, outcome="refused", reason=why, at=at, response=None))

    def answer_to(self, question_id: str) -> ApprovalRecord | None:
        """Return the record that decided a question; None if it waits."""
        return self._answers.get(question_id)

    def is_open(self, pause: Pause) -> bool:
        """Tell whether any question of a pause is still open."""
        return any(question.pending.id in self._open for question in pause.questions)

    def open_questions(self, pause: Pause) -> list[Question]:
        """Return the questions of a pause that are still open."""
        return [q for q in pause.questions if q.pending.id in self._open]

    def still_open(self, pause: Pause) -> list[PendingApproval]:
        """Return the questions of a pause that are still open."""
        return [q.pending for q in pause.questions if q.pending.id in self._open]

    def _question(self, interrupt: Interrupt, asked: Asked, asked_at: str) -> Question:
        call = asked.call
        digest = digest_of(call.tool, call.arguments) if call else None
        tools = [each.tool for each in asked.calls] or ([call.tool] if call else [])
        allowed = self._allowed.of(
            tools, is_editable=bool(asked.schema and call and isinstance(call.arguments, dict))
        )
        schema = asked.schema if "edit" in allowed else None
        pending = PendingApproval(
            id=_unused(as_json(interrupt.id), lambda id_: id_ in self._open or id_ in self._answers),
            name=as_json(interrupt.name),
            question=as_json(interrupt.reason),
            tool=call.tool if call else None,
            arguments=call.arguments if call else None,
            digest=digest_of_calls(asked.calls) if asked.calls else digest,
            asked_at=asked_at,
            agent=as_json(asked.agent) if asked.agent else None,
            outer=asked.outer,
            calls=asked.calls,
            allowed_decisions=allowed,
            input_schema=schema,
        )
        places = [list(place) for place in asked.places]
        return Question(
            interrupt.id,
            pending,
            asked.tool_use_id,
            places,
            schema,
            kinds=allowed,
            declared_safe=asked.declared_safe,
        )

    def _check_absent(self, decision: Decision, *, seen: bool) -> None:
        early = self.state.early.get(decision.id)
        taken = early.record if early else self._answers.get(decision.id)
        if taken is not None and taken.outcome in AT_DEADLINE:
            raise refusal(PAST_DEADLINE, f"The deadline of {decision.id!r} passed at {taken.at}")
        if taken is not None:
            by = f" by {taken.by}" if taken.by else ""
            raise refusal(ALREADY_DECIDED, f"{decision.id!r} is already {taken.outcome}{by}, at {taken.at}")
        if not decision.early or decision.verdict == "delegate":
            raise refusal(
                UNKNOWN_APPROVAL,
                f"No question with the id {decision.id!r} waits. Pending: {list(self._open)}. A decision "
                "before its question needs early=True",
            )
        kept = [replace(each.decision, proof=None).to_wire() for each in self.state.early.values()]
        if not seen and (why := too_much_early(replace(decision, proof=None).to_wire(), kept)):
            raise refusal(TOO_MUCH_EARLY, f"The decision on {decision.id[:100]!r} cannot be kept: {why}")

    def _apply_early(
        self,
        early: EarlyDecision,
        question: Question,
        former_digest: str | None,
        strict: Callable[[], bool],
        refuses: Callable[[int], bool],
        denial: Judgement | None,
        now: datetime,
    ) -> None:
        record = about_question(question, early.record)
        who = Who(record.by, record.groups, record.channel, verified=record.verified)
        reason = _misfit(early.decision, question.pending.digest)
        is_refused = reason is not None and (_misfit(early.decision, former_digest) is not None or strict())
        if reason is None:
            try:
                check_fits(early.decision, question)
            except ApplicationError as error:
                reason, is_refused = error.message, refuses(self._early_came)
        if reason is None and (question.pending.deciders is not None or who.verified):
            try:
                self._check_person(early.decision, question, who, now)
            except ApplicationError as error:
                reason, is_refused = error.message, True
        if denial is not None and early.decision.verdict != "reject":
            reason, is_refused = f"Denied by policy: {denial.reason}", True
        if is_refused:
            refused = replace(record, outcome="refused", reason=reason, response=None)
            self._append(refused, now)
        else:
            self._take(early.decision, question, early.record, who, now)

    def _take(
        self, decision: Decision, question: Question, record: ApprovalRecord, who: Who, now: datetime
    ) -> ApprovalRecord:
        """Record a person's decision on a question, and trust what the person trusts."""
        if decision.trust is not None:
            record = replace(record, trust=decision.trust, trust_until=until(now, decision.trust_seconds))
        if question.pending.deciders is not None or decision.verdict == "delegate":
            record = self._vote(decision, question, record, who, now)
        else:
            record = self._write(question, about_question(question, record), now)
        if decision.trust is not None:
            self._trust(decision, question.pending, who, now)
        return record

    def _write(
        self, question: Question, record: ApprovalRecord, now: datetime | None = None
    ) -> ApprovalRecord:
        self._open.pop(question.pending.id, None)
        if self._policy.version is not None and not record.layer and record.outcome != "withdrawn":
            record = replace(record, layer="people", policy_version=self._policy.version)
        self._answers[record.id] = record
        self._append(record, now)
        tell_decided(question, record)
        return record


def _misfit(decision: Decision, digest: str | None) -> str | None:
    """Return why an early decision does not count for a call with this digest; None if it does."""
    if not digest_matches(decision, digest):
        return "Given for different arguments from those in the question"
    # Such a decision would let a tool run with whatever arguments the model chooses.
    if decision.digest is None and digest is not None and decision.verdict != "reject":
        return "Given without a digest, before anybody could see the arguments"
    return None


def _unused(id_: str, used: Callable[[str], bool]) -> str:
    number, candidate = 1, id_
    while used(candidate):
        number += 1
        candidate = f"{id_}#{number}"
    return candidate
