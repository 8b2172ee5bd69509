"""What a ledger knows, as values: it goes into the next run of a workflow as it is."""

from dataclasses import dataclass, field
from datetime import datetime

from ._types import ApprovalRecord, Decision, PendingApproval


@dataclass(frozen=True)
class Question:
    """One interrupt that was raised.

    Attributes:
        interrupt_id: Strands' id, which the answer goes back to.
        pending: What an approver sees.
        tool_use_id: Id of the tool call that waits, if any.
    """

    interrupt_id: str
    pending: PendingApproval
    tool_use_id: str | None = None

    @property
    def deadline(self) -> datetime | None:
        """When it is rejected by itself."""
        return None if self.pending.deadline is None else datetime.fromisoformat(self.pending.deadline)


@dataclass(frozen=True)
class Pause:
    """Questions that an agent waits with: raised together, answered together.

    Attributes:
        agent_id: Strands' id of the agent.
        questions: The questions, decided ones too.
        notice_id: Id of the notices about it, in whatever run they are sent.
        told: Names of the notifiers that are done with it.
    """

    agent_id: str
    questions: list[Question]
    notice_id: str = ""
    told: list[str] = field(default_factory=list[str])

    @property
    def deadline(self) -> datetime | None:
        """When what is open is rejected by itself."""
        return min((q.deadline for q in self.questions if q.deadline), default=None)

    @property
    def interrupt_ids(self) -> set[str]:
        """Strands' ids of what it waits for."""
        return {question.interrupt_id for question in self.questions}


@dataclass(frozen=True)
class EarlyDecision:
    """A decision that came before its question, and what it was answered."""

    decision: Decision
    record: ApprovalRecord


@dataclass
class LedgerState:
    """All that a ledger knows: JSON values, which go into the next run of a workflow.

    Attributes:
        records: The audit trail, in the order of the decisions.
        pauses: Whose agents were not given the answers yet, the oldest first.
        early: Decisions whose questions were not asked yet, by id.
    """

    records: list[ApprovalRecord] = field(default_factory=list[ApprovalRecord])
    pauses: list[Pause] = field(default_factory=list[Pause])
    early: dict[str, EarlyDecision] = field(default_factory=dict[str, EarlyDecision])
