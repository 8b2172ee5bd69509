"""The state of a ledger, as values that the next run of a workflow can take over."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from ._audit import AuditHead
from ._decision import Decision
from ._trusted import TrustedCalls
from ._types import ApprovalRecord, PendingApproval

Place: TypeAlias = tuple[str, ...]
"""The path to a call: the nodes of graphs and swarms, then the ids of the calls around it, outermost first,
and its own id."""


@dataclass(frozen=True)
class Granted:
    """A call that a person allowed. No other call may run at its place.

    Attributes:
        place: Path to the call (`Place`).
        tool: Name of the tool that the person saw.
        arguments: The arguments that the person saw.
        written: The person's answer, if it was a value. The call's arguments may be changed to this value.
        edited: The arguments that a person wrote, which the call gets before all hooks. None if nobody did.
        edited_why: Why the person changed the arguments.
        question: Id of the question whose decision edited the call.
        by_policy: How many times the policy, and no person, answered a question about the call with a yes.
            If it did, the policy judges the call again before it runs.
    """

    place: list[str]
    tool: str
    arguments: Any = None
    written: Any = None
    edited: dict[str, Any] | None = None
    edited_why: str = ""
    question: str = ""
    by_policy: int = 0


@dataclass(frozen=True)
class Delegation:
    """A decision that a person handed to another one, or to a group.

    Attributes:
        by: Who handed it on, and may not decide any more.
        groups: That person's groups.
        person: Who may decide instead.
        group: Or the group of which one may.
        used_by: The person who took it.
    """

    by: str
    groups: list[str] = field(default_factory=list[str])
    person: str | None = None
    group: str | None = None
    used_by: str = ""


@dataclass(frozen=True)
class Times:
    """What happens to a question as time passes, as its owner set it.

    Attributes:
        deadline_seconds: How long it waits; None has no end.
        at_deadline: "deny", "approve", "escalate" or "fail".
        remind_seconds: How long after it was asked people are reminded.
        remind_every_seconds: Or how often they are reminded.
        escalate_to: With "escalate": who may decide then.
        escalation_seconds: How long it waits for them; None is as long as before.
        calendar: Name of the calendar in which all this is counted; "" counts all time.
    """

    deadline_seconds: float | None = None
    at_deadline: str = "deny"
    remind_seconds: list[float] = field(default_factory=list[float])
    remind_every_seconds: float | None = None
    escalate_to: dict[str, Any] | None = None
    escalation_seconds: float | None = None
    calendar: str = ""


@dataclass(frozen=True)
class Waiting:
    """How far the time of a question has passed.

    Attributes:
        times: Its settings.
        since: When the people who may decide now were asked.
        reminder_at: When they are reminded next; None if never.
        reminded: How many reminders there were.
        here: How many of them since `since`.
        escalated: Whether it went to other people.
    """

    times: Times
    since: str
    reminder_at: str | None = None
    reminded: int = 0
    here: int = 0
    escalated: bool = False


@dataclass
class Telling:
    """What one notifier was told of a pause. It is told again of all that is missing here.

    Attributes:
        asked: Whether it has finished with the first notice, with or without success.
        shown: Ids of the questions that it was told of.
        reference: What it returned for later notices.
        reminded: The number of the last reminder, by the questions' ids.
        escalated: Ids of the questions of which it knows that they went to other people.
        delegated: How many times they were delegated as far as it knows, by the questions' ids.
        decided: Ids of the questions of whose decision it was told.
        tells: Whether it is told of decisions.
    """

    asked: bool = False
    shown: list[str] = field(default_factory=list[str])
    reference: str | None = None
    reminded: dict[str, int] = field(default_factory=dict[str, int])
    escalated: list[str] = field(default_factory=list[str])
    delegated: dict[str, int] = field(default_factory=dict[str, int])
    decided: list[str] = field(default_factory=list[str])
    tells: bool = False


@dataclass(frozen=True)
class Ruled:
    """A judge's ruling on a call, so that it is asked once, also over pauses and runs.

    Attributes:
        place: Path to the call (`Place`).
        call: Digest of the tool and the arguments.
        rule: Digest of the judge's rule in the policy.
        judge: The judge's name.
        approve: Whether the call may run.
        confidence: How sure the judge is; None if it gave no answer.
        reason: Why.
    """

    place: list[str]
    call: str
    rule: str
    judge: str
    approve: bool = False
    confidence: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Question:
    """One interrupt that was raised.

    Attributes:
        interrupt_id: Strands' id of the interrupt, to which the answer goes.
        pending: The question as an approver sees it.
        tool_use_id: Id of the tool call that waits, if any.
        places: Paths to the calls that the question is about: the pending call, or `pending.calls`.
        schema: JSON schema of the call's arguments, if people may edit them.
        kinds: The kinds of decision that the workflow allows, whoever decides.
        own: Who started the workflow and who asked for the turn, as far as the workflow tells.
        delegations: The decisions that people handed on, oldest first.
        is_fixed: Whether its deciders stay when the policy changes.
        waiting: What happens as time passes; None if nothing does but a rejection at the deadline.
        declared_safe: Whether the tool of its call is declared safe in code.
    """

    interrupt_id: str
    pending: PendingApproval
    tool_use_id: str | None = None
    places: list[list[str]] = field(default_factory=list[list[str]])
    schema: dict[str, Any] | None = None
    kinds: list[str] = field(default_factory=list[str])
    own: list[str] = field(default_factory=list[str])
    delegations: list[Delegation] = field(default_factory=list[Delegation])
    is_fixed: bool = False
    waiting: Waiting | None = None
    declared_safe: bool = False

    @property
    def deadline(self) -> datetime | None:
        """Time at which it is rejected automatically; None without a deadline."""
        return None if self.pending.deadline is None else datetime.fromisoformat(self.pending.deadline)


@dataclass(frozen=True)
class Pause:
    """The questions of a waiting agent that were asked together, and are answered together.

    Attributes:
        agent_id: Strands' id of the agent.
        questions: The questions, including decided ones.
        notice_id: Id of the notices about the pause, the same in every run.
        told: Names of the notifiers that have finished, with or without success. They are not told again that
            the questions wait.
        granted: The calls that people allowed earlier in the same turn.
        tellings: What the notifiers were told, by their names.
        ruled: The judge's rulings in the same turn.
    """

    agent_id: str
    questions: list[Question]
    notice_id: str = ""
    told: list[str] = field(default_factory=list[str])
    granted: list[Granted] = field(default_factory=list[Granted])
    tellings: dict[str, Telling] = field(default_factory=dict[str, Telling])
    ruled: list[Ruled] = field(default_factory=list[Ruled])

    @property
    def deadline(self) -> datetime | None:
        """Time at which its questions are rejected automatically; None without a deadline."""
        return min((q.deadline for q in self.questions if q.deadline), default=None)

    @property
    def interrupt_ids(self) -> set[str]:
        """Strands' ids of the interrupts that wait."""
        return {question.interrupt_id for question in self.questions}


@dataclass(frozen=True)
class EarlyDecision:
    """A decision that came before its question, and the record that was returned for it."""

    decision: Decision
    record: ApprovalRecord


@dataclass
class PolicyState:
    """What people changed in a workflow's policy.

    Attributes:
        changed: The policy that took the place of the one in the code; None if there was no change.
        trusted: What people trust.
        changes: How many changes there were.
    """

    changed: dict[str, Any] | None = None
    trusted: list[TrustedCalls] = field(default_factory=list[TrustedCalls])
    changes: int = 0


@dataclass
class LedgerState:
    """The whole state of a ledger, in JSON values, so that the next run of a workflow can take it over.

    Attributes:
        records: The audit trail, in the order of the decisions.
        pauses: The pauses whose agents are still waiting for their answers, oldest first.
        early: Decisions that arrived before their questions, by id.
        granted: The calls that people allowed in turns that wait for clients alone, by the agents' ids.
        ruled: The judge's rulings in such turns, by the agents' ids.
        policy: What people changed in the policy.
        ended: Pauses that are over, of whose decisions a notifier is still to be told.
        proofs: The proofs that were used: when each expires, in seconds since 1970, by its nonce.
        audit: The head of the audit chain. Its entries stay in the runs that made them.
    """

    records: list[ApprovalRecord] = field(default_factory=list[ApprovalRecord])
    pauses: list[Pause] = field(default_factory=list[Pause])
    early: dict[str, EarlyDecision] = field(default_factory=dict[str, EarlyDecision])
    granted: dict[str, list[Granted]] = field(default_factory=dict[str, list[Granted]])
    ruled: dict[str, list[Ruled]] = field(default_factory=dict[str, list[Ruled]])
    policy: PolicyState = field(default_factory=PolicyState)
    ended: list[Pause] = field(default_factory=list[Pause])
    proofs: dict[str, float] = field(default_factory=dict[str, float])
    audit: AuditHead = field(default_factory=AuditHead)
