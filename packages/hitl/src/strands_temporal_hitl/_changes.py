"""Takes changes of a workflow's policy, and tells what it is. Runs in the workflow."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow

from strands_temporal.extension import describe_query
from strands_temporal.workflow import DeduplicatedUpdates

from ._in_force import PolicyInForce
from ._ledger import Ledger
from ._policy_types import CHANGE_UPDATE, POLICY_QUERY, PolicyView
from ._proofs import Proofs
from ._types import ApprovalRecord


class PolicyChanges:
    """Answers the update that changes the policy, and the query for it.

    Args:
        policy: The workflow's policy.
        ledger: The workflow's ledger.
        answered: The answers to recent updates, also of earlier runs.
        decided: Called after a change, which may have decided questions.
        proofs: Checks who changes it.
    """

    def __init__(
        self,
        policy: PolicyInForce,
        ledger: Ledger,
        answered: DeduplicatedUpdates,
        decided: Callable[[], None],
        proofs: Proofs,
    ) -> None:
        self._policy = policy
        self._ledger = ledger
        self._answered = answered
        self._decided = decided
        self._proofs = proofs
        workflow.set_update_handler(CHANGE_UPDATE, self._change, validator=self._check)
        workflow.set_query_handler(POLICY_QUERY, self._view)
        describe_query(POLICY_QUERY, "The policy of the approvals, and what people trust. No arguments")

    def _check(self, change: Any) -> None:
        info = workflow.current_update_info()
        if info is None or info.id not in self._answered.carry():
            self._proofs.check(change)
            self._ledger.check_change(change, workflow.now())

    async def _change(self, change: Any) -> ApprovalRecord:
        async def apply() -> ApprovalRecord:
            info = workflow.current_update_info()
            seen = workflow.unsafe.is_replaying()
            record = self._ledger.change(change, workflow.now(), info.id if info else None, seen=seen)
            self._decided()
            return record

        return await self._answered.run_once(apply)

    def _view(self, *_: Any) -> PolicyView:
        return self._policy.view
