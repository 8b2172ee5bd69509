"""Approvals for operators: a line in the current details, log lines, descriptions of the queries."""

from collections.abc import Sequence
from datetime import datetime

from strands_temporal.extension import describe_query, log_line, set_details_line

from ._in_force import HOOK, INTERVENTION, by_policy
from ._ledger import Ledger
from ._protocol import ANSWER_QUERY, PENDING_QUERY, RECORDS_QUERY
from ._state import Pause
from ._time_book import Due
from ._types import ApprovalRecord, PendingApproval

ANSWER_IS_FOR_CLIENTS = (
    "For ApprovalsClient, which asks for the outcome of a decision that it sent by signal. To read "
    "decisions, use the query `approval_records`"
)
"""Description of the query, and the answer to a person who calls it without a request's id."""

RECORDS_TAKE_A_NUMBER = "Give the number of records to skip, or nothing for the first ones"

_SHOWN = 10  # questions in the current details


class OperatorView:
    """Shows the questions of one workflow. Runs in the workflow, and changes nothing.

    Args:
        ledger: The workflow's ledger.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._logged = len(ledger.records)  # earlier runs have logged theirs
        set_details_line("approvals", self._details)
        describe_query(PENDING_QUERY, "The questions that wait for a person, oldest first. No arguments")
        describe_query(
            RECORDS_QUERY, "The decisions, oldest first, in pages. Argument, optional: records to skip"
        )
        describe_query(ANSWER_QUERY, ANSWER_IS_FOR_CLIENTS)

    def asked(self, pause: Pause) -> None:
        """Log those questions of a pause that are still open, and the decisions since the last call."""
        for pending in self._ledger.still_open(pause):
            log_line(
                "a question waits for a person",
                agent=pending.agent,
                question=pending.id,
                tool=pending.tool,
                deadline=pending.deadline,
            )
        self.decided()

    def decided(self) -> None:
        """Log the decisions since the last call."""
        for record in self._ledger.records[self._logged :]:
            _log(record)
        self._logged = len(self._ledger.records)

    def _details(self) -> str | None:
        pending = self._ledger.pending
        if not pending:
            return None
        shown = ", ".join(map(_shown, pending[:_SHOWN]))
        more = f", and {len(pending) - _SHOWN} more" if len(pending) > _SHOWN else ""
        return f"{_questions(pending)} for people: {shown}{more}"


def _log(record: ApprovalRecord) -> None:
    by = record.by or None
    if record.outcome in ("policy_changed", "trusted", "trust_withdrawn"):
        version = record.policy_version
        log_line("the policy changed", outcome=record.outcome, tool=record.tool, version=version, by=by)
    elif record.outcome in ("escalated", "delegated"):
        to = ", ".join((record.to or {}).values()) or None
        log_line("other people decide", question=record.id, tool=record.tool, outcome=record.outcome, to=to)
    elif by_policy(record):
        log_line(
            "a call was cancelled" if record.layer in (HOOK, INTERVENTION) else "the policy decided",
            agent=record.agent,
            tool=record.tool,
            outcome=record.outcome,
            layer=record.layer,
            rule=record.rule,
            by=by,
        )
    else:
        log_line(
            "the question is decided",
            agent=record.agent,
            question=record.id,
            tool=record.tool,
            outcome=record.outcome,
            by=by,
            seconds=_seconds(record),
        )


def timer_summary(due: Due) -> str:
    """Return the summary of the timer that waits for a deadline or a reminder."""
    kind = "deadline" if due.is_deadline else "reminder"
    return f"{kind} of {due.questions} question{'s' if due.questions > 1 else ''}"


def _questions(pending: Sequence[PendingApproval]) -> str:
    return "1 question waits" if len(pending) == 1 else f"{len(pending)} questions wait"


def _shown(pending: PendingApproval) -> str:
    about = pending.tool or pending.name
    agent = f" of {pending.agent}" if pending.agent else ""
    return f"{about[:64]}{agent[:64]}{_until(pending.deadline)}"


def _until(deadline: str | None) -> str:
    return f" until {datetime.fromisoformat(deadline):%Y-%m-%d %H:%M:%S UTC}" if deadline else ""


def _seconds(record: ApprovalRecord) -> float | None:
    """Return the seconds that the question waited; None if unknown, or if the decision came before it."""
    if record.early or not (record.at and record.asked_at):
        return None
    waited = datetime.fromisoformat(record.at) - datetime.fromisoformat(record.asked_at)
    return round(waited.total_seconds(), 3)
