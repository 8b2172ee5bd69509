"""Says in words what a notice tells, for mails and chats. Each text is safe to show once it is escaped.

All values come from models, tools and people: control, bidi and blank characters become visible here, and
each channel escapes the texts for its own markup.
"""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from ._notices import ApprovalNotice
from ._types import ApprovalRecord, PendingApproval
from ._visible import visible

_LONGEST_LINE = 300  # characters of a name, a reason, an id
_DECIDED = {
    "approved": "approved",
    "rejected": "rejected",
    "edited": "approved with other arguments",
    "responded": "answered",
    "expired": "rejected at its deadline: nobody decided in time",
    "expired_approved": "approved at its deadline: nobody decided in time",
    "expired_failed": "not decided in time: the run failed",
    "withdrawn": "withdrawn",
    "denied": "denied by the policy",
}


@dataclass(frozen=True)
class QuestionText:
    """A question in words.

    Attributes:
        title: What waits.
        facts: Names and values, each on a line of its own.
        content: The arguments of the call, or the question, over several lines; "" if there is nothing.
        pending: The question itself.
        outcome: With a decision: how it was decided, by whom and why.
    """

    title: str
    facts: list[tuple[str, str]]
    content: str
    pending: PendingApproval
    outcome: str = ""


@dataclass(frozen=True)
class NoticeText:
    """A notice in words.

    Attributes:
        title: What it tells, in one line.
        facts: What all its questions have in common.
        questions: The questions that wait, or are decided.
    """

    title: str
    facts: list[tuple[str, str]]
    questions: list[QuestionText] = field(default_factory=list[QuestionText])


def text_of(notice: ApprovalNotice, *, longest: int) -> NoticeText:
    """Return a notice in words.

    Args:
        notice: The notice.
        longest: Characters of the arguments of one call that are shown.
    """
    facts = [("Workflow", line(notice.workflow_id)), ("Type", line(notice.workflow_type))]
    records = {record.id: record for record in notice.records}
    decided = [_question(each, longest, records.get(each.id)) for each in notice.decided]
    waiting = [_question(each, longest, None) for each in notice.pending]
    return NoticeText(_title(notice), facts, [*decided, *waiting])


def line(value: Any, longest: int = _LONGEST_LINE) -> str:
    """Return a value as one line of visible text."""
    return _visible_beginning(str(value), longest, lines=False)


def cut(text: str, longest: int, size: int | None = None) -> str:
    """Return a text, or its beginning if it is too long.

    Args:
        text: The text.
        longest: Characters that it may have.
        size: Characters of the whole text, if `text` is its beginning already.
    """
    if len(text) <= longest and not size:
        return text
    end = f"... ({size or len(text):,} characters)"
    return f"{text[: max(longest - len(end), 0)]}{end}"


def _visible_beginning(text: str, longest: int, *, lines: bool) -> str:
    """Return the beginning of a text that may be very long, as visible text."""
    beginning = text[: longest + 1]
    return cut(visible(beginning, lines=lines), longest, len(text) if len(text) > longest else None)


def command_of(notice: ApprovalNotice, pending: PendingApproval) -> str:
    """Return the command by which a person shows and then decides a question; "" if it cannot be typed."""
    words = [notice.workflow_id, pending.id]
    if any(visible(word, lines=False) != word for word in words):
        return ""
    return f"strands-temporal approvals approve {shlex.join(words)}"


def _title(notice: ApprovalNotice) -> str:
    if notice.kind == "decided":
        names = [_about(each) for each in notice.decided]
        outcomes = [_DECIDED.get(record.outcome, record.outcome) for record in notice.records]
        what = f"{names[0]} is {outcomes[0]}" if len(names) == 1 else f"{len(names)} questions are decided"
        return line(f"Decided: {what}")
    names = [_about(each) for each in notice.pending]
    what = names[0] if len(names) == 1 else f"{len(names)} questions"
    words: Mapping[str, str] = {
        "reminder": f"Reminder {notice.number}: {what} still waits for approval",
        "escalated": f"Escalated: {what} waits for approval",
        "delegated": f"Delegated: {what} waits for approval",
    }
    return line(words.get(notice.kind, f"Approval needed: {what}"))


def _about(pending: PendingApproval) -> str:
    return line(pending.tool or pending.name)


def _question(pending: PendingApproval, longest: int, record: ApprovalRecord | None) -> QuestionText:
    facts: list[tuple[str, str]] = []
    if pending.agent:
        facts.append(("Agent", line(pending.agent)))
    if pending.outer:
        facts.append(("Called by", line(" > ".join(each.tool for each in pending.outer))))
    if pending.tool and isinstance(pending.question, str) and pending.question:
        facts.append(("Question", line(pending.question, 1_000)))
    if pending.proposed_by:
        facts.append(("Changed by", line(pending.proposed_by)))
    if pending.votes:
        votes = ", ".join(f"{each.by}: {each.verdict}" for each in pending.votes)
        facts.append(("Votes so far", line(votes)))
    if record is None:
        if deciders := _deciders(pending.deciders):
            facts.append(("Who may decide", deciders))
        if pending.deadline:
            facts.append(("Deadline", f"{datetime.fromisoformat(pending.deadline):%Y-%m-%d %H:%M:%S} UTC"))
    title = f"Call of {_about(pending)}" if pending.tool else f"Question {_about(pending)}"
    if pending.calls:
        title = f"{len(pending.calls)} calls"
    return QuestionText(
        line(title), facts, _content(pending, longest), pending, _outcome(record) if record else ""
    )


def _content(pending: PendingApproval, longest: int) -> str:
    if pending.calls:
        value: Any = [{"tool": each.tool, "arguments": each.arguments} for each in pending.calls]
    elif pending.tool:
        value = pending.arguments
    else:
        value = pending.question
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    return _visible_beginning(text, longest, lines=True)


def _outcome(record: ApprovalRecord) -> str:
    by = f" by {record.by}" if record.by else ""
    why = f": {record.reason}" if record.reason and not record.outcome.startswith("expired") else ""
    return line(f"{_DECIDED.get(record.outcome, record.outcome).capitalize()}{by}{why}", 1_000)


def _deciders(deciders: Mapping[str, Any] | None) -> str:
    given = deciders or {}
    people, groups = (cast("list[Any]", given.get(each) or []) for each in ("people", "groups"))
    names = [*map(str, people), *(f"the group {each}" for each in groups)]
    quorum = given.get("quorum") or 1
    return line(" or ".join(names) + (f"; {quorum} people together" if quorum != 1 else "")) if names else ""
