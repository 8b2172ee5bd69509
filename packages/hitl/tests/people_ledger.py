"""Shared by the tests of who may decide: a ledger with one question, and people with proofs. No server."""

import itertools
from datetime import datetime, timedelta, timezone
from typing import Any

from packages.hitl.tests.approvals_support import asked_by
from strands.interrupt import Interrupt
from temporalio.exceptions import ApplicationError

from strands_temporal_hitl import ApprovalPolicy, Deciders
from strands_temporal_hitl._in_force import HUMAN_IN_THE_LOOP, PolicyInForce
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._state import LedgerState, Pause
from strands_temporal_hitl._tickets import Claims, ticket_of
from strands_temporal_hitl._turn import Asked
from strands_temporal_hitl._types import ApprovalRecord

NOW = datetime(2026, 11, 30, tzinfo=timezone.utc)
SCHEMA = {"json": {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}}
_numbers = itertools.count()


def proof_of(name: str, *groups: str, channel: str = "inbox") -> str:
    """Return a ticket as the validator has accepted it. Its signature is checked before the ledger."""
    claims = Claims(name, list(groups), channel, expires_at=NOW.timestamp() + 60, nonce=str(next(_numbers)))
    return ticket_of(claims, b"k" * 32)


class Case:
    """A ledger with one question: may `refund` run with this amount?"""

    def __init__(
        self,
        deciders: dict[str, Any] | None = None,
        *,
        policy: dict[str, Any] | None = None,
        started_by: str | None = "eve",
        verified: bool = False,
        deadline: timedelta | None = None,
        admins: Deciders | None = None,
        asker: str | None = None,
        **early: Any,
    ) -> None:
        self.state = LedgerState()
        given = None if policy is None else ApprovalPolicy.from_json(policy)
        named = None if deciders is None else Deciders(**deciders)
        self.policy = PolicyInForce(given, self.state.policy, named)
        self.ledger = Ledger(
            True,
            False,
            self.state,
            policy=self.policy,
            verified=verified,
            started_by=started_by,
            admins=admins,
        )
        self.own = self.ledger.asked_by(asker)
        self.deadline = deadline
        if early:
            self.decide(early.pop("by"), id="q", early=True, **early)

    def ask(self, *amounts: int, id_: str = "q") -> Pause:
        abouts = [
            asked_by({"name": "refund", "input": {"amount": n}, "toolUseId": f"call-{n}"}) for n in amounts
        ]
        calls = [about.call for about in abouts if about.call]
        about = Asked(
            call=None if len(calls) > 1 else calls[0],
            calls=calls if len(calls) > 1 else [],
            places=[place for each in abouts for place in each.places],
            schema=SCHEMA if len(calls) == 1 else None,
        )
        asked = [(Interrupt(id_, HUMAN_IN_THE_LOOP, "ok?"), about)]
        return self.ledger.ask("agent", asked, now=NOW, deadline=self.deadline, own=self.own)

    @property
    def pending(self) -> Any:
        return self.ledger.pending[0]

    def decide(self, by: Any, verdict: str = "approve", **fields: Any) -> ApprovalRecord:
        """Decide as the update does: the validator's check, then the decision."""
        who: Any = {"by": by} if by == "stated" else {"proof": by if isinstance(by, str) else proof_of(*by)}
        pending = self.ledger.pending
        value = {"id": pending[0].id if pending else "q", "verdict": verdict, **who}
        if pending and pending[0].digest:
            value["digest"] = pending[0].digest
        value |= fields
        value = {name: each for name, each in value.items() if each is not None}
        self.ledger.check(value, NOW)
        return self.ledger.decide(value, NOW, None)

    def result(self, by: Any, verdict: str = "approve", **fields: Any) -> str:
        try:
            return self.decide(by, verdict, **fields).outcome
        except ApplicationError as error:
            return str(error.type)
