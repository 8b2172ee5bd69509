"""The part of a workflow's ledger for its policy: its answers, and what people change in it.

It makes no calls to Temporal, and times are arguments.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import datetime
from typing import Any

from strands_temporal import AgentValueError

from ._audit import AuditChain
from ._audit_book import AuditBook
from ._bounds import LONGEST_NAME
from ._deciders import Deciders
from ._decision import Decision
from ._in_force import PolicyInForce, by_policy, judged, until
from ._policy import ApprovalPolicy, Judgement
from ._policy_checks import check_admin, check_askers, check_change, parsed_change
from ._policy_types import POLICY_QUESTION, PolicyChange
from ._records import about_question
from ._shown import digest_of
from ._state import LedgerState, Place, Question, Ruled
from ._trusted import TrustedCalls
from ._turn import IN_CHILD
from ._types import ApprovalRecord, Outcome, PendingApproval, ShownCall
from ._values import as_json
from ._who import UsedProofs, Who, by_whom


class PolicyBook(AuditBook, ABC):
    """The answers of a workflow's policy, and the changes of it.

    Args:
        state: The ledger's state.
        approved: The response that Strands gets for an approval.
        rejected: The response that Strands gets for a rejection.
        policy: The policy.
        proofs: Tells who decides.
        started_by: Who started the workflow.
        admins: Who may change the policy; None for anybody who may decide.
        chain: The audit chain of the workflow's run.

    Raises:
        AgentValueError: If who started it may not change the policy, and nobody says who that is.
    """

    def __init__(
        self,
        state: LedgerState,
        approved: Any,
        rejected: Any,
        policy: PolicyInForce,
        proofs: UsedProofs,
        *,
        started_by: str | None = None,
        admins: Deciders | None = None,
        chain: AuditChain | None = None,
    ) -> None:
        if admins is not None and admins.four_eyes and started_by is None:
            raise AgentValueError("Approvals: policy_admins= with four_eyes needs started_by=")
        super().__init__(state, chain)
        self._approved = approved
        self._rejected = rejected
        self._policy = policy
        self._proofs = proofs
        self._started_by = started_by
        self._admins = admins
        self._knows_askers: bool | None = None  # of all turns so far; None before the first
        self._open: dict[str, Question] = {}

    @abstractmethod
    def _renew_open(self, now: datetime) -> None:
        """Let others decide the open questions, if the policy says so now."""

    @abstractmethod
    def _write(
        self, question: Question, record: ApprovalRecord, now: datetime | None = None
    ) -> ApprovalRecord:
        """Decide a question, and return the record as it is kept."""

    def note(self, place: Place, call: ShownCall, found: Judgement, now: datetime) -> None:
        """Record the policy's answer for a call that no question was asked about."""
        at = now.isoformat()
        outcome: Outcome = "approved" if found.outcome == "approve" else "denied"
        record = ApprovalRecord("/".join(place), POLICY_QUESTION, outcome, at=at, asked_at=at, tool=call.tool)
        record = replace(record, digest=digest_of(call.tool, call.arguments), agent=call.agent or None)
        self._append(replace(record, **judged(found, self._policy.version)))

    def note_cancelled(
        self, place: Place, call: ShownCall, *, layer: str, rule: str, reason: str, now: datetime
    ) -> None:
        """Record a call that a hook or an intervention cancelled, without a question.

        Args:
            place: The call's place.
            call: The call.
            layer: "hook" or "intervention".
            rule: Name of the intervention handler.
            reason: What the model reads.
            now: The time.
        """
        at = now.isoformat()
        record = ApprovalRecord("/".join(place), layer, "denied", at=at, asked_at=at, tool=call.tool)
        digest = digest_of(call.tool, call.arguments)
        record = replace(record, digest=digest, agent=call.agent or None, reason=as_json(reason) or None)
        version = self._policy.version
        self._append(replace(record, layer=layer, rule=as_json(rule) or None, policy_version=version))

    def note_ruling(self, ruled: Ruled, call: ShownCall, now: datetime) -> None:
        """Enter a judge's ruling on a call into the audit chain."""
        data = {"judge": ruled.judge, "approve": ruled.approve, "confidence": ruled.confidence}
        data |= {"reason": ruled.reason, "tool": call.tool, "agent": call.agent, "digest": ruled.call}
        self._audit("judged", "/".join(ruled.place), data, now)

    def approved_by_judge(self, question: Question, ruled: Ruled, now: datetime) -> None:
        """Decide a question that the judge approves, unless a person decided it meanwhile."""
        if question.pending.id in self._open:
            self._write(question, self._ruled(question, approval_of(ruled), now))

    def check_change(self, value: Any, now: datetime) -> None:
        """Check that a change of the policy can be taken.

        Raises:
            ApplicationError: If it cannot. The type says why; the message explains it.
        """
        self._checked_change(value, now, seen=False)

    def change(
        self, value: Any, now: datetime, update_id: str | None, *, seen: bool = False
    ) -> ApprovalRecord:
        """Change the policy or what is trusted, judge the open questions again, and return the record.

        Args:
            value: The change.
            now: The time.
            update_id: Temporal's id of the update.
            seen: Whether this replays a change that was accepted: whose it is was checked then.

        Raises:
            ApplicationError: If `check_change` refuses the change.
        """
        change, who = self._checked_change(value, now, seen=seen)
        self._proofs.use(change.proof, now)
        at = now.isoformat()
        record = ApprovalRecord(
            "", POLICY_QUESTION, "policy_changed", by=who.name, reason=change.reason, at=at, **by_whom(who)
        )
        if change.policy is not None:
            self._policy.replace(ApprovalPolicy.from_json(change.policy))
        elif change.kind == "trust":
            end, tool = until(now, change.seconds), change.tool or ""
            calls = TrustedCalls(
                tool, change.digest, end, who.name, at, _short(change.reason), **by_whom(who)
            )
            self._policy.trust(calls, now)
            record = replace(record, outcome="trusted", trust=calls.kind, trust_until=end)
        else:
            self._policy.withdraw(change.tool, change.digest)
            record = replace(record, outcome="trust_withdrawn")
        record = replace(
            record,
            id=f"{POLICY_QUESTION} change {self._policy.changes}",
            tool=change.tool,
            digest=change.digest,
            update_id=update_id,
            policy_version=self._policy.version,
        )
        self._append(record)
        self._renew_open(now)
        self._judge_open(now)
        return record

    def _checked_change(self, value: Any, now: datetime, *, seen: bool) -> tuple[PolicyChange, Who]:
        change = parsed_change(value, seen=seen)
        needed = self._admins is not None or self._policy.restricts
        who = self._proofs.who(change.proof, change.by, needed=needed, seen=seen)
        if not seen:
            own = {name for question in self._open.values() for name in question.own}
            own |= set() if self._started_by is None else {self._started_by}
            check_admin(self._policy, self._admins, change, who, own)
            knows = bool(own) if self._knows_askers is None else self._knows_askers
            check_askers(change, knows=knows or self._started_by is not None)
        check_change(self._policy, change, now)
        return change, who

    def acted_on(self, question: Question, record: ApprovalRecord, now: datetime) -> ApprovalRecord:
        """Return the record of a decision that goes to the agent: a new one if the policy denies the call.

        A call below a child workflow is not judged again before it runs. So the policy's own yes to it counts
        only if it still says so.
        """
        if record.outcome not in ("approved", "edited", "responded", "expired_approved"):
            return record
        found = self._policy.denial(question, record.edited_arguments, now)
        in_child = any(IN_CHILD in place for place in question.places)
        is_yes = self._policy.answer(question, now) is not None or (
            record.layer == "judge" and self._policy.judges(question, now) is not None
        )
        if found is None and by_policy(record) and in_child and not is_yes:
            found = Judgement("deny", "people", reason="The policy changed: now a person has to decide")
        if found is None:
            return record
        return self._write(question, self._ruled(question, found, now))

    def _trust(self, decision: Decision, pending: PendingApproval, who: Who, now: datetime) -> None:
        """Trust what a person trusts with a decision."""
        digest, at = pending.digest if decision.trust == "arguments" else None, now.isoformat()
        end = until(now, decision.trust_seconds)
        tool = pending.tool or ""
        calls = TrustedCalls(tool, digest, end, decision.by, at, _short(decision.reason), **by_whom(who))
        self._policy.trust(calls, now)
        self._judge_open(now)

    def _judge_open(self, now: datetime) -> None:
        for question in list(self._open.values()):
            self._judge(question, now)

    def _judge(self, question: Question, now: datetime) -> None:
        """Decide a question if the policy answers it."""
        if question.pending.id in self._open and (found := self._policy.answer(question, now)):
            self._write(question, self._ruled(question, found, now))

    def _ruled(self, question: Question, found: Judgement, now: datetime) -> ApprovalRecord:
        is_yes = found.outcome == "approve"
        record = ApprovalRecord(
            question.pending.id,
            "",
            "approved" if is_yes else "denied",
            at=now.isoformat(),
            response=self._approved if is_yes else self._rejected,
        )
        return about_question(question, replace(record, **judged(found, self._policy.version)))


def approval_of(ruled: Ruled) -> Judgement:
    """Return the judgement of a call that the judge approves."""
    reason = f"Confidence {ruled.confidence:g}. {ruled.reason}".strip()
    return Judgement("approve", "judge", ruled.judge, reason)


def _short(reason: str | None) -> str | None:
    """Return a reason as it is kept with what is trusted. The record has all of it."""
    return reason if reason is None or len(reason) <= LONGEST_NAME else f"{reason[:LONGEST_NAME]}..."
