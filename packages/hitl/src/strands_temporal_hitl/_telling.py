"""Finds out which notice a notifier gets next: it compares what is so with what the notifier was told.

Pure. So a notifier that was away is told once of how things are now, and nobody is told twice, over any
number of runs of the workflow.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ._notices import NoticeDetails, Told
from ._shown import page_of, shown
from ._state import Pause, Question, Telling
from ._types import ApprovalRecord, PendingApproval


@dataclass(frozen=True)
class NextNotice:
    """A notice that a notifier is to get.

    Attributes:
        id: Its id, the same in each run.
        kind: As in `ApprovalNotice`.
        questions: The questions that it is about: with "decided" those that are decided.
        waiting: The questions that it shows as waiting.
        number: With "reminder": its number.
        records: With "decided": the decisions.
    """

    id: str
    kind: str
    questions: list[Question]
    waiting: list[Question]
    number: int = 0
    records: list[ApprovalRecord] = field(default_factory=list[ApprovalRecord])

    def arguments(self, name: str, telling: Telling) -> list[Any]:
        """Return the arguments of the activity that sends it."""
        decided = _shown(self.questions) if self.kind == "decided" else []
        details = NoticeDetails(self.kind, self.number, self.records, decided, telling.reference)
        return [name, _shown(self.waiting), self.id, details]


def next_notice(
    pause: Pause,
    telling: Telling,
    answer_to: Callable[[str], ApprovalRecord | None],
) -> NextNotice | None:
    """Return the next notice of a pause for one notifier; None if it knows all.

    Args:
        pause: The pause.
        telling: What the notifier was told.
        answer_to: Returns the record that decided a question.
    """
    waiting = [each for each in pause.questions if answer_to(each.pending.id) is None]
    if not telling.asked:
        return NextNotice(pause.notice_id, "asked", waiting, waiting) if waiting else None
    if telling.tells and (notice := _decided(pause, telling, answer_to, waiting)):
        return notice
    escalated = [each for each in waiting if _is_escalated(each) and each.pending.id not in telling.escalated]
    if escalated:
        return NextNotice(_later_id(pause, "escalated", escalated), "escalated", escalated, escalated)
    delegated = [
        each for each in waiting if len(each.delegations) > telling.delegated.get(each.pending.id, 0)
    ]
    if delegated:
        return NextNotice(_later_id(pause, "delegated", delegated), "delegated", delegated, delegated)
    due = [each for each in waiting if _reminded(each) > telling.reminded.get(each.pending.id, 0)]
    if due:
        number = max(map(_reminded, due))
        return NextNotice(_later_id(pause, "reminder", due), "reminder", due, due, number)
    return None


def note_told(telling: Telling, notice: NextNotice, told: Told | None, *, delivered: bool) -> None:
    """Note that a notifier has finished with a notice, with or without success."""
    telling.asked = True
    if told is not None and told.reference is not None:
        telling.reference = told.reference
    if notice.kind == "decided":
        telling.decided += [each.pending.id for each in notice.questions]
        return
    for each in notice.questions:
        id_ = each.pending.id
        if delivered and id_ not in telling.shown:
            telling.shown.append(id_)
        # A notice tells how things are: what came before it needs no notice of its own.
        if _is_escalated(each) and id_ not in telling.escalated:
            telling.escalated.append(id_)
        telling.delegated[id_] = len(each.delegations)
        telling.reminded[id_] = _reminded(each)


def _decided(
    pause: Pause,
    telling: Telling,
    answer_to: Callable[[str], ApprovalRecord | None],
    waiting: list[Question],
) -> NextNotice | None:
    """Return the notice of the decisions on questions that a notifier was told of."""
    found: list[Question] = []
    records: list[ApprovalRecord] = []
    for each in pause.questions:
        id_ = each.pending.id
        record = answer_to(id_)
        if record is not None and id_ in telling.shown and id_ not in telling.decided:
            found.append(each)
            records.append(record)
    if not found:
        return None
    id_ = _later_id(pause, "decided", found)
    return NextNotice(id_, "decided", found, waiting, records=page_of(records, 0))


def _later_id(pause: Pause, kind: str, questions: list[Question]) -> str:
    """Return the id of a later notice: another one for other questions, and for each reminder."""
    about = [[each.pending.id, _reminded(each), len(each.delegations)] for each in questions]
    return f"{pause.notice_id}-{kind}-{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:12]}"


def _shown(questions: list[Question]) -> list[PendingApproval]:
    return shown([each.pending for each in questions])


def _is_escalated(question: Question) -> bool:
    return question.waiting is not None and question.waiting.escalated


def _reminded(question: Question) -> int:
    return question.waiting.reminded if question.waiting else 0
