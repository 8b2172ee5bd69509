"""What a ledger knows, as values: it goes into the next run of a workflow as it is."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from ._types import ApprovalRecord, Decision, PendingApproval

Place: TypeAlias = tuple[str, ...]
"""Where a call stands: the ids of the calls from the outermost one to itself, with nodes before them."""


@dataclass(frozen=True)
class Granted:
    """A call that a person let happen: what runs at its place must be it.

    Attributes:
        place: Where it stands.
        tool: The tool that was shown.
        arguments: The arguments that were shown.
        written: The person's own answer, where it was a value; what it says may be in the arguments.
    """

    place: list[str]
    tool: str
    arguments: Any = None
    written: Any = None


@dataclass(frozen=True)
class Question:
    """One interrupt that was raised.

    Attributes:
        interrupt_id: Strands' id, which the answer goes back to.
        pending: What an approver sees.
        tool_use_id: Id of the tool call that waits, if any.
        places: Where the calls that it is about stand, see `Place`: the pending's own, or its `calls`.
    """

    interrupt_id: str
    pending: PendingApproval
    tool_use_id: str | None = None
    places: list[list[str]] = field(default_factory=list[list[str]])

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
        granted: What was granted before, in the same turn, to the calls that still wait.
    """

    agent_id: str
    questions: list[Question]
    notice_id: str = ""
    told: list[str] = field(default_factory=list[str])
    granted: list[Granted] = field(default_factory=list[Granted])

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
