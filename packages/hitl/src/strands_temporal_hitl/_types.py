"""Values that cross between a workflow, its approvers and its activities, and the names that all sides use.

Frozen dataclasses of JSON values; times are ISO 8601 text in UTC. They decode with the pydantic converter and
with the SDK's default one, so an approver's client needs no plugin. Fields are only added, with defaults.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, cast

from temporalio.common import SearchAttributeKey

from ._people import Vote
from ._values import KEPT, check_seconds, check_text, is_too_deep, wire_fault

DECIDE_UPDATE = "decide_approval"
"""Update that takes a `Decision` (as a JSON object) and returns its `ApprovalRecord`."""

DECIDE_SIGNAL = "decide_approval_by_signal"
"""Signal for a run that has no room for another update. It takes `{"decision": ..., "request": id}`.

The server allows ten updates in progress in one run (chat turns that wait for people, readers that poll by
update), and two thousand in total.
"""

ANSWER_QUERY = "approval_answer"
"""Query that takes the request id of a `DECIDE_SIGNAL`. Returns its `Answer`, empty while there is none."""

PENDING_QUERY = "pending_approvals"
"""Query that returns the `PendingApproval`s of a workflow, oldest first."""

RECORDS_QUERY = "approval_records"
"""Query that returns a page of a workflow's `ApprovalRecord`s, in the order of the decisions. It takes the
number of records to skip."""

TICKET_QUERY = "approval_ticket"
"""Query that takes a `Credential` and a decision or a change of the policy: `{"credential", "decision" |
"change", "channel"}`. Returns the `Ticket` that proves who decides. History has no queries."""

SETUP_ACTIVITY = "hitl-setup"
"""Activity that tells a workflow what its workers offer. It runs once; replays read the answer in history."""

NOTIFY_ACTIVITY = "hitl-notify"
"""Activity that runs one notifier, in runs of releases that told notifiers only of questions."""

TELL_ACTIVITY = "hitl-tell"
"""Activity that runs one notifier. It takes a notice of any kind, and returns a `Told`."""

VERIFY_ACTIVITY = "hitl-verify-ticket"
"""Activity that checks the ticket of a decision that came by signal. It returns whether it is good."""

PENDING = SearchAttributeKey.for_keyword("StrandsApprovals")
"""Search attribute with the value `IS_PENDING` while a workflow waits for a person, unset otherwise."""

IS_PENDING = "pending"

UNKNOWN_APPROVAL = "UnknownApproval"
ALREADY_DECIDED = "AlreadyDecided"
PAST_DEADLINE = "PastDeadline"
MALFORMED_DECISION = "MalformedDecision"
NOT_WHAT_WAS_SEEN = "NotWhatWasSeen"
NOT_ALLOWED = "NotAllowed"
INVALID_ARGUMENTS = "InvalidArguments"
DENIED_BY_POLICY = "DeniedByPolicy"
NOT_VERIFIED = "NotVerified"
NOT_A_DECIDER = "NotADecider"
OWN_REQUEST = "OwnRequest"
ALREADY_VOTED = "AlreadyVoted"

NOT_PROVED = "The proof of identity was not accepted"
"""The text of each refusal of the kind `NOT_VERIFIED`. It says nothing about the cause."""

Verdict = Literal["approve", "reject", "edit", "respond", "delegate"]
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
Trust = Literal["tool", "arguments"]

VERDICTS: tuple[Verdict, ...] = ("approve", "reject", "edit", "respond")
"""The kinds of decision that decide a question."""

NOT_FINAL: frozenset[Outcome] = frozenset({"refused", "voted", "delegated", "escalated"})
"""Outcomes of records that leave their question open."""

_KNOWN_VERDICTS = (*VERDICTS, "delegate")
_BEFORE_EDITS = ("approve", "reject", "respond")  # what a release allows that does not tell
_TEXTS = ("id", "verdict", "by", "reason", "digest", "proof")
_REQUIRED = ("id", "verdict", "by")


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
class Decision:
    """A person's answer to one question: the argument of the update.

    Attributes:
        id: Id of the question.
        verdict: The kind of decision.
        by: Who decides. Temporal does not check it: anyone who may send the update can claim any name, so
            authenticate people first, or let the worker verify them. With a proof it may be empty: the proof
            tells.
        reason: Why. The model also reads the reason of a rejection or an edit.
        response: With "respond": the value that Strands gets, not None.
        digest: Digest of the call that the person saw. If the waiting call has a different digest, the
            decision is refused. An edit needs it.
        early: Whether to keep the decision if the question was not asked yet.
        arguments: With "edit": all arguments with which the call runs.
        trust: With "approve", if the workflow has a policy: whether further calls of the "tool", or further
            calls with the same "arguments", run without a question.
        trust_seconds: How long they are trusted; None is for the rest of the workflow.
        to: With "delegate": the "person" or the "group" who decides instead.
        proof: The ticket by which a worker vouches for who decides.
    """

    id: str
    verdict: Verdict
    by: str = ""
    reason: str | None = None
    response: Any = None
    digest: str | None = None
    early: bool = False
    arguments: dict[str, Any] | None = None
    trust: Trust | None = None
    trust_seconds: float | None = None
    to: dict[str, str] | None = None
    proof: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object that the update takes, with only the fields that are set."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)} | (
            {"response": self.response} if self.response is not None else {}
        )

    @classmethod
    def from_wire(cls, value: Any) -> "Decision":
        """Return the decision in an update's argument.

        Raises:
            TypeError: If it, or a field of it, is of a wrong type.
            ValueError: If a field has a wrong value.
        """
        if not isinstance(value, Mapping):
            raise TypeError(f'a decision is an object like {{"id", "verdict", "by"}}, not {value!r}')
        given = cast("Mapping[str, Any]", value)
        known = [f.name for f in fields(cls)]
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"unknown field {', '.join(map(repr, unknown))}. Known: {known}")
        is_proved = given.get("proof") is not None  # then it tells who decides
        for name in _TEXTS:
            is_required = name in _REQUIRED and not (name == "by" and is_proved)
            check_text(name, given.get(name), is_required=is_required)
        if given["verdict"] not in _KNOWN_VERDICTS:
            raise ValueError(f"verdict={given['verdict']!r} is not one of {list(_KNOWN_VERDICTS)}")
        if (given["verdict"] == "respond") != (given.get("response") is not None):
            raise ValueError("a response belongs to the verdict 'respond', and may not be null there")
        if not isinstance(given.get("early", False), bool):
            raise TypeError(f"early={given['early']!r} is not true or false")
        if wire_fault(given.get("response")) or is_too_deep(given.get("response")):
            raise ValueError(f"response cannot be kept: {KEPT}")
        _check_edit(given)
        _check_trust(given)
        _check_delegation(given)
        values: dict[str, Any] = {**given, "by": given.get("by") or ""}
        return cls(**values)


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


def _check_edit(given: Mapping[str, Any]) -> None:
    arguments = given.get("arguments")
    if (given["verdict"] == "edit") != (arguments is not None):
        raise ValueError("arguments belong to the verdict 'edit', and it needs them")
    if arguments is None:
        return
    if not isinstance(arguments, dict):
        raise TypeError(
            f"arguments={arguments!r} is not an object with all arguments of the call, by their names"
        )
    if wire_fault(arguments) or is_too_deep(cast("Any", arguments)):
        raise ValueError(f"arguments cannot be kept: {KEPT}")
    if given.get("digest") is None:
        raise ValueError(
            "an edit needs the digest of the call that the person saw. A question about no call takes no edit"
        )


def _check_trust(given: Mapping[str, Any]) -> None:
    trust, seconds = given.get("trust"), given.get("trust_seconds")
    if trust is not None and (trust not in ("tool", "arguments") or given["verdict"] != "approve"):
        raise ValueError(f"trust={trust!r} is not 'tool' or 'arguments', or the verdict is not 'approve'")
    if seconds is not None and trust is None:
        raise ValueError("trust_seconds belongs to trust")
    check_seconds("trust_seconds", seconds)


def _check_delegation(given: Mapping[str, Any]) -> None:
    to = given.get("to")
    if (given["verdict"] == "delegate") != (to is not None):
        raise ValueError("to belongs to the verdict 'delegate', and it needs it")
    if to is None:
        return
    values = cast("dict[Any, Any]", to) if isinstance(to, dict) else {}
    if len(values) != 1 or not values.keys() <= {"person", "group"}:
        raise ValueError(f'to={to!r} is neither {{"person": name}} nor {{"group": name}}')
    for name, value in values.items():
        check_text(f"to.{name}", value, is_required=True)
