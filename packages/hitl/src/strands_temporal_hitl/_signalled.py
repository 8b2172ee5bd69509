"""Takes decisions by signal when the run has no room for another update. Runs in the workflow.

The server (1.32) allows ten updates in progress in one run. Ten chat turns that wait for a person, or ten of
temporalio's own stream readers, take all this room, so that the person's decision could not come in.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard, cast

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from ._ledger import Ledger
from ._operators import ANSWER_IS_FOR_CLIENTS
from ._proofs import Proofs
from ._protocol import ANSWER_QUERY, DECIDE_SIGNAL
from ._shown import page_of
from ._tickets import not_verified
from ._types import Answer
from ._values import wire_fault

_KEPT = 100  # of the latest refusals
_LONGEST_ID = 1_000  # characters, as the server allows for the id of an update

_TAKEN = "strands-temporal-hitl-taken"
"""Prefix of patch ids, one per decision, so that a replay takes the same decisions as the first run."""


class SignalledDecisions:
    """Takes decisions from signals, and answers the query for their outcome.

    Args:
        ledger: The workflow's ledger.
        proofs: Checks who decides.
    """

    def __init__(self, ledger: Ledger, proofs: Proofs) -> None:
        self._ledger = ledger
        self._proofs = proofs
        self._refusals: dict[str, Answer] = {}
        self._came = 0
        workflow.set_signal_handler(DECIDE_SIGNAL, self._decide)
        workflow.set_query_handler(ANSWER_QUERY, self._answer)

    async def _decide(self, *given: Any) -> None:
        """Take a decision. Raises nothing: an error would end the run, or fail its workflow task forever."""
        message = cast("Mapping[str, Any]", given[0]) if given and isinstance(given[0], Mapping) else {}
        request = message.get("request")
        if not is_id(request) or self._ledger.record_of(request):
            return
        decision = message.get("decision")
        if isinstance(decision, Mapping) and "proof" in decision:
            # No validator ran: the proof is in history, and so is the worker's verdict on it.
            if not await self._proofs.is_good(cast("Mapping[str, Any]", decision)):
                self._refuse(request, not_verified())
                return
            if self._ledger.record_of(request):  # it was sent twice
                return
        now = workflow.now()
        self._came += 1
        marker = f"{_TAKEN}-{self._came}"
        seen = workflow.unsafe.is_replaying() and workflow.patched(marker)
        try:
            self._ledger.check(decision, now, seen=seen)
        except ApplicationError as refusal:
            self._refuse(request, refusal)
            return
        if workflow.patched(marker):
            self._ledger.decide(decision, now, request, seen=seen)

    def _refuse(self, request: str, refusal: ApplicationError) -> None:
        self._refusals[request] = Answer(refused=refusal.message, kind=refusal.type or "")
        for oldest in list(self._refusals)[:-_KEPT]:
            del self._refusals[oldest]

    def _answer(self, request: Any = None, *_: Any) -> Answer | str:
        if not isinstance(request, str):  # a person sent this query by hand
            return ANSWER_IS_FOR_CLIENTS
        record = self._ledger.record_of(request)
        return Answer(page_of([record], 0)[0]) if record else self._refusals.get(request, Answer())


def is_id(request: Any) -> TypeGuard[str]:
    """Tell whether a value can be the id of a request. A record keeps it, and answers to queries have it."""
    return isinstance(request, str) and 0 < len(request) <= _LONGEST_ID and not wire_fault(request)
