"""Values that cross between a workflow, its approvers and its activities.

Frozen dataclasses of JSON values; times are ISO 8601 text in UTC. They decode with the pydantic converter and
with the SDK's default one, so an approver's client needs no plugin. Fields are only added, with defaults.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from ._people import Vote

Outcome = Literal[
    "approved",
    "rejected",
    "edited",
    "responded",
    "expired",
    "withdrawn",
    "refused",
    "denied",
    "policy_changed",
    "trusted",
    "trust_withdrawn",
    "voted",
    "delegated",
    "escalated",
    "expired_approved",
    "expired_failed",
]

NOT_FINAL: frozenset[Outcome] = frozenset({"refused", "voted", "delegated", "escalated"})
"""Outcomes of records that leave their question open."""

_BEFORE_EDITS = ("approve", "reject", "respond")  # what a release allows that does not tell


@dataclass(frozen=True)
class ShownCall:
    """A tool call as a person sees it: after hooks and middleware have changed it.

    Attributes:
        tool: Name of the tool that runs.
        arguments: The tool's arguments; if they are too large to send, their beginning as text.
        agent: Name of the agent that calls it; for a node of a graph or swarm, the node's id.
    """

    tool: str
    arguments: Any = None
    agent: str = ""


@dataclass(frozen=True)
class PendingApproval:
    """One interrupt that waits for a person.

    Attributes:
        id: The interrupt's id, which a decision names. If a question already had this id, `#2`, `#3`, ... is
            appended: a decision counts for one question only.
        name: The interrupt's name. Strands' `HumanInTheLoop` uses its own.
        question: The interrupt's `reason`; as text if it is not JSON.
        tool: Name of the tool that will run; None if the interrupt does not belong to a single tool call. For
            a sub-agent's call, it is the sub-agent's tool.
        arguments: The arguments with which the tool will run; if they are too large to send, their beginning
            as text.
        digest: Digest of tool and arguments (see `digest_of`), or of all `calls`; None if the question is
            about no call.
        asked_at: When the agent paused.
        deadline: When the question is rejected automatically; None if never.
        agent: Name of the agent that asks; for a node of a graph or swarm, the node's id.
        outer: The calls of sub-agents that led to this question, outermost first.
        calls: All calls of a message, if one question is asked about all of them (`BeforeToolsEvent`).
        allowed_decisions: The kinds of decision that the workflow takes: "approve", "reject", "edit" and
            "respond", or some of them.
        input_schema: With "edit": the JSON schema of the tool's arguments. None if it is too large to send;
            the workflow checks an edit nevertheless.
        deciders: Who may decide, as in a policy's `deciders`; None if anybody may.
        votes: The decisions so far, if it takes several people.
        proposed_by: Who changed the arguments, if the others still have to agree.
        original_arguments: With `proposed_by`: the arguments that the agent asked about first.
    """

    id: str
    name: str
    question: Any = None
    tool: str | None = None
    arguments: Any = None
    digest: str | None = None
    asked_at: str = ""
    deadline: str | None = None
    agent: str | None = None
    outer: list[ShownCall] = field(default_factory=list[ShownCall])
    calls: list[ShownCall] = field(default_factory=list[ShownCall])
    allowed_decisions: list[str] = field(default_factory=lambda: list(_BEFORE_EDITS))
    input_schema: dict[str, Any] | None = None
    deciders: dict[str, Any] | None = None
    votes: list[Vote] = field(default_factory=list[Vote])
    proposed_by: str | None = None
    original_arguments: Any = None


@dataclass(frozen=True)
class ApprovalRecord:
    """How one question was answered: a line of the audit trail.

    Attributes:
        id: Id of the question, as in `PendingApproval`.
        name: The interrupt's name.
        outcome: "approved", "rejected", "edited" or "responded" by a person; "expired" at the deadline, which
            counts as a rejection, "expired_approved" and "expired_failed" if something else is set for it;
            "escalated" when other people may decide from the deadline on; "withdrawn" when the agent was
            stopped or cancelled before an answer;
            "refused" when an early decision did not fit the question, which still waits for another one, or
            when edited arguments no longer fitted the tool, whose call then did not run. With a policy also
            "denied", when it did not let a call run; "policy_changed", "trusted" and "trust_withdrawn" when a
            person changed it or what is trusted.
        by: Who decided, as stated in the decision; "" if nobody did. With the layer "trust": who trusts the
            call.
        reason: Why, as stated in the decision.
        at: When the decision arrived.
        asked_at: When the agent paused.
        tool: The tool whose call waited.
        digest: Digest of tool and arguments.
        response: The interrupt's response for Strands.
        early: Whether the decision came before the question.
        update_id: Temporal's id of the update that carried the decision, or the request's id if a signal did.
        agent: Name of the agent that asked; for a node of a graph or swarm, the node's id.
        asked_arguments: With "edited": the arguments that people were asked about, whose digest is `digest`;
            if they are longer than 250,000 characters of JSON, their beginning as text.
        edited_arguments: With "edited": the arguments with which the call runs.
        edited_digest: With "edited": the digest of the tool and the edited arguments.
        layer: With a policy: its layer that answered, "deny", "trust", "safe", "rules", "judge" or "people".
            For a call that Strands' own guards cancelled: "intervention", as Cedar's, or "hook", as that of a
            steering plugin.
        rule: Name of the rule that answered; for a safe tool the glob; for trust what is trusted; of an
            intervention the handler's name.
        policy_version: The policy's version at that time.
        trust: What a person trusts with the decision: "tool" or "arguments".
        trust_until: When that trust expires; None if never.
        verified: Whether a worker verified who decided. Otherwise `by` is what the decision states.
        groups: The groups of who decided, at that time; empty if nobody verified them.
        channel: Where it was decided, for example "inbox", "email", "slack", "mcp" or "cli"; "" if unknown.
        votes: The votes, if it took several people.
        to: With "delegated" and "escalated": the "person" or the "group" who may decide now.
    """

    id: str
    name: str
    outcome: Outcome
    by: str = ""
    reason: str | None = None
    at: str = ""
    asked_at: str = ""
    tool: str | None = None
    digest: str | None = None
    response: Any = None
    early: bool = False
    update_id: str | None = None
    agent: str | None = None
    asked_arguments: Any = None
    edited_arguments: dict[str, Any] | None = None
    edited_digest: str | None = None
    layer: str = ""
    rule: str | None = None
    policy_version: str | None = None
    trust: str | None = None
    trust_until: str | None = None
    verified: bool = False
    groups: list[str] = field(default_factory=list[str])
    channel: str = ""
    votes: list[Vote] = field(default_factory=list[Vote])
    to: dict[str, str] | None = None


@dataclass(frozen=True)
class Answer:
    """The answer to a decision that came by signal.

    Attributes:
        record: The decision's record, if the decision was taken.
        refused: Why the decision was refused, if it was.
        kind: The same as `ApprovalRefusedError.kind`.
    """

    record: ApprovalRecord | None = None
    refused: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Ticket:
    """The answer to a client that proves who decides.

    Attributes:
        ticket: The proof for one decision in one workflow, for a minute; "" if the credential was refused.
        by: The verified person's name.
        refused: Why there is no ticket.
        kind: The same as `ApprovalRefusedError.kind`.
        again: Whether the worker reads its verifier's keys again, so that a later query may succeed.
    """

    ticket: str = ""
    by: str = ""
    refused: str = ""
    kind: str = ""
    again: bool = False
