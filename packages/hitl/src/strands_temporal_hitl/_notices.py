"""What notifiers get and return, and what workers tell of themselves. As in `_types`."""

from dataclasses import dataclass, field

from ._types import ApprovalRecord, PendingApproval


@dataclass(frozen=True)
class Setup:
    """The features that a worker's `HITLPlugin` offers to workflows: the result of `hitl-setup`.

    Attributes:
        search_attribute: Whether the server knows the search attribute.
        notifiers: Names of the worker's notifiers.
        kinds: The kinds of notices that the worker can send; empty for a release that knows only the first.
        tell_decisions: Names of the notifiers that are told of decisions too.
    """

    search_attribute: bool = False
    notifiers: list[str] = field(default_factory=list[str])
    kinds: list[str] = field(default_factory=list[str])
    tell_decisions: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Told:
    """What a notifier did: the result of `Notifier.notify`, which is kept with the pause.

    Attributes:
        to: Whom it told: addresses, channels.
        reference: What it needs for later notices of the same pause, for example the id of its message. Text
            of at most 2,000 characters. None keeps the earlier one.
    """

    to: list[str] = field(default_factory=list[str])
    reference: str | None = None


@dataclass(frozen=True)
class NoticeDetails:
    """The parts of a notice besides its open questions, from a workflow to its worker: `ApprovalNotice`."""

    kind: str = "asked"
    number: int = 0
    records: list[ApprovalRecord] = field(default_factory=list[ApprovalRecord])
    decided: list[PendingApproval] = field(default_factory=list[PendingApproval])
    reference: str | None = None


@dataclass(frozen=True)
class ApprovalNotice:
    """Tells a notifier that an agent paused, and what became of its questions.

    Attributes:
        id: The notice's id. It is the same for each retry, even in a later run of the workflow.
        namespace: Temporal namespace of the workflow.
        workflow_id: The workflow to decide in.
        run_id: The workflow's run when the notice was sent. The workflow may continue in another run, so
            decide by the workflow's id.
        workflow_type: Its type.
        pending: The questions that were asked together and still wait.
        kind: "asked", "reminder", "escalated", "delegated" or "decided".
        number: With "reminder": its number, from 1.
        records: With "decided": the decisions since the last notice.
        decided: With "decided": the questions of these decisions.
        reference: What the notifier returned for an earlier notice of this pause (`Told.reference`).
    """

    id: str
    namespace: str
    workflow_id: str
    run_id: str
    workflow_type: str
    pending: list[PendingApproval]
    kind: str = "asked"
    number: int = 0
    records: list[ApprovalRecord] = field(default_factory=list[ApprovalRecord])
    decided: list[PendingApproval] = field(default_factory=list[PendingApproval])
    reference: str | None = None
