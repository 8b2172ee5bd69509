"""One question, as its page shows it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .._client import ApprovalsClient
from .._errors import ApprovalsUnreachableError
from .._links import question_query
from .._people import Person
from .._policy_types import POLICY_QUESTION
from .._types import NOT_FINAL, ApprovalRecord, PendingApproval
from .decisions import refused
from .listing import may_decide, tool_of
from .values import Change, Node, changes, tree

_MOST_RECORDS = 100
_LONGEST_LINE = 200


@dataclass(frozen=True)
class Found:
    """A question and what became of it.

    Attributes:
        workflow_id: The workflow.
        id: The question's id.
        pending: The question, if it waits.
        records: Its records, oldest first.
    """

    workflow_id: str
    id: str
    pending: PendingApproval | None
    records: list[ApprovalRecord] = field(default_factory=list[ApprovalRecord])

    @property
    def answer(self) -> ApprovalRecord | None:
        """The record that ended it; None if it waits, or is not known."""
        if self.pending is not None:
            return None
        final = [record for record in self.records if record.outcome not in NOT_FINAL]
        return final[-1] if final else None

    @property
    def history(self) -> list[ApprovalRecord]:
        """Its records, without the votes that still count."""
        votes = {(vote.by, vote.at) for vote in self.pending.votes} if self.pending else set[Any]()
        return [one for one in self.records if (one.by, one.at) not in votes]

    @property
    def version(self) -> str:
        """Changes when the question does: the page then says so."""
        return version_of(self.pending)

    @property
    def query(self) -> str:
        """The query of its address."""
        return question_query(self.workflow_id, self.id)


@dataclass(frozen=True)
class QuestionView:
    """A question that waits, made ready for the page.

    Attributes:
        pending: The question.
        title: What it is about.
        text: What is asked, in a line.
        reason: The interrupt's reason, if it says more than the line.
        arguments: The call's arguments.
        calls: Names of tools and arguments, if it is about several calls.
        changes: What was changed in the arguments, if somebody proposed others.
        can: The kinds of decision that the page offers.
        quorum: How many people must approve.
        asks_trust: Whether a person may trust further calls: a policy asked.
        is_mine: Whether the person may decide it, as far as the page can tell.
    """

    pending: PendingApproval
    title: str
    text: str
    reason: Node | None
    arguments: Node | None
    calls: list[tuple[str, Node]]
    changes: list[Change]
    can: list[str]
    quorum: int
    asks_trust: bool
    is_mine: bool


async def find(approvals: ApprovalsClient, workflow_id: str, id_: str) -> Found:
    """Return a question, and what became of it.

    Raises:
        PageError: If the workflow does not answer.
    """
    try:
        waiting = await approvals.pending(workflow_id)
        records = [record for record in await approvals.records(workflow_id) if record.id == id_]
    except ApprovalsUnreachableError as error:
        raise refused(error) from error
    pending = next((each for each in waiting if each.id == id_), None)
    return Found(workflow_id, id_, pending, records[-_MOST_RECORDS:])


def version_of(pending: PendingApproval | None) -> str:
    """Return a text that changes when a question does. None is one that does not wait."""
    values: Any = None
    if pending is not None:
        votes = [asdict(vote) for vote in pending.votes]
        values = [pending.digest, pending.deadline, pending.deciders, votes, pending.proposed_by]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def view(pending: PendingApproval, person: Person) -> QuestionView:
    """Return a question made ready for the page."""
    tool = tool_of(pending)
    text, says_more = _line(pending.question, f"The agent wants to call {tool}. Allow it?")
    quorum: Any = (pending.deciders or {}).get("quorum", 1)
    quorum = quorum if isinstance(quorum, int) else 1
    return QuestionView(
        pending,
        tool,
        text,
        tree(pending.question) if says_more and pending.question != pending.arguments else None,
        tree(pending.arguments) if pending.tool else None,
        [(call.tool, tree(call.arguments)) for call in pending.calls],
        changes(pending.original_arguments, pending.arguments) if pending.proposed_by else [],
        _decisions(pending, quorum),
        quorum,
        pending.name.startswith(POLICY_QUESTION),
        may_decide(person, pending),
    )


def _line(question: Any, otherwise: str) -> tuple[str, bool]:
    """Return a question in a line, and whether it says more than that."""
    if not isinstance(question, str):
        return otherwise, question is not None
    line = next((line for line in question.splitlines() if line.strip()), "")
    if not line or len(line) > _LONGEST_LINE:
        return otherwise, bool(line)
    return line, line != question


def _decisions(pending: PendingApproval, quorum: int) -> list[str]:
    # An answer in words is one person's own: several people cannot agree to it.
    can = [each for each in pending.allowed_decisions if quorum == 1 or each != "respond"]
    if pending.deciders is not None and "delegate" not in can:
        can.append("delegate")
    return can


def used_by(records: Sequence[ApprovalRecord], request: str) -> ApprovalRecord | None:
    """Return the record of the decision that a request carried."""
    return next((record for record in records if record.update_id == request), None)
