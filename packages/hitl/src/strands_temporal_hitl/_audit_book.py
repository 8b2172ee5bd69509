"""The part of a workflow's ledger that appends: records, and the entries of the audit chain."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ._audit import AuditChain, record_data, record_kind
from ._state import LedgerState
from ._types import ApprovalRecord


class AuditBook:
    """The records of a workflow, and its audit chain. All that is appended goes through here.

    Args:
        state: The ledger's state.
        chain: The audit chain of the workflow's run, with the head in `state`.
    """

    def __init__(self, state: LedgerState, chain: AuditChain | None = None) -> None:
        self.state = state
        self.chain = chain or AuditChain(state.audit)
        # Records of earlier runs on a release without a chain. The chain says that they are not in it.
        self._unchained = 0 if state.audit.number else len(state.records)

    def told(
        self,
        notice_id: str,
        ids: Sequence[str],
        notifier: str,
        kind: str,
        to: Sequence[str],
        now: datetime,
        failed: str = "",
    ) -> None:
        """Enter into the audit chain that a notifier was told of a pause, or that it failed.

        Args:
            notice_id: Id of the notices about the pause.
            ids: Ids of the questions that the notice was about.
            notifier: Name of the notifier.
            kind: The notice's kind.
            to: Whom the notifier told, as it says itself.
            now: The time.
            failed: Why it failed.
        """
        data: dict[str, Any] = {"notifier": notifier, "kind": kind, "questions": list(ids)}
        data |= {name: value for name, value in (("to", list(to)), ("failed", failed)) if value}
        self._audit("not_told" if failed else "told", notice_id, data, now)

    def _audit(self, kind: str, id: str, data: Mapping[str, Any], now: datetime) -> None:
        """Add an entry to the audit chain."""
        if self._unchained:
            self.chain.add("began", "", {"records_before": self._unchained}, now)
            self._unchained = 0
        self.chain.add(kind, id, data, now)

    def _append(self, record: ApprovalRecord, now: datetime | None = None) -> None:
        """Append a record, and its entry in the audit chain.

        Args:
            record: The record.
            now: The time, if it is not the record's.
        """
        self.state.records.append(record)
        at = now or datetime.fromisoformat(record.at)
        self._audit(record_kind(record), record.id, record_data(record), at)
