"""Tells who decides, by the tickets of a workflow's worker. Runs in the workflow.

What runs live alone reaches the worker: the query for a ticket, and the validators of updates. A replay takes
an accepted ticket as it is.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, cast

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from strands_temporal import ActivityOptions
from strands_temporal.extension import describe_query, execute_activity

from ._people import Credential
from ._protocol import NOT_PROVED, NOT_VERIFIED, TICKET_QUERY, VERIFY_ACTIVITY
from ._tickets import LARGEST_SIGNED, digest_of_request, not_verified
from ._types import Ticket
from ._verifying import EXTERN_FUNCTION, About, Identity

_OPTIONS: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=10),
    "schedule_to_close_timeout": timedelta(minutes=2),  # by then the ticket has expired
    "retry_policy": RetryPolicy(non_retryable_error_types=["NotFoundError"]),
    "summary": "who decides",
}


class Proofs:
    """Gives tickets to clients, and checks them."""

    def __init__(self) -> None:
        workflow.set_query_handler(TICKET_QUERY, self._ticket)
        describe_query(TICKET_QUERY, "For ApprovalsClient, which proves who decides")

    def check(self, request: Any) -> None:
        """Check the proof of a decision or a change, if it has one. For a validator: it runs live only.

        Raises:
            ApplicationError: If it is not accepted.
        """
        if not isinstance(request, Mapping):
            return
        proof = cast("Mapping[str, Any]", request).get("proof")
        if proof is None:
            return
        identity = _identity()
        if identity is None or not identity.check(proof, _about(request)):
            raise not_verified()

    async def is_good(self, request: Mapping[str, Any]) -> bool:
        """Tell whether the proof of a decision that came by signal is accepted. History keeps the answer."""
        proof = request.get("proof")
        if not isinstance(proof, str) or len(proof) > LARGEST_SIGNED:
            return False
        try:
            args = [proof, digest_of_request(request)]
        except (TypeError, ValueError, RecursionError):  # nested too deeply
            return False
        try:
            return await execute_activity(VERIFY_ACTIVITY, args, _OPTIONS, result_type=bool)
        except FailureError as error:
            workflow.logger.warning("error=<%s> | nobody could verify who decides", error)
            return False

    def _ticket(self, given: Any = None, *_: Any) -> Ticket:
        request = cast("Mapping[str, Any]", given if isinstance(given, Mapping) else {})
        credential: Any = request.get("credential")
        identity, about = _identity(), request.get("decision") or request.get("change")
        if identity is None or not isinstance(credential, Mapping) or not isinstance(about, Mapping):
            return Ticket(refused=NOT_PROVED, kind=NOT_VERIFIED)
        given_credential = cast("Mapping[str, Any]", credential)
        shown = Credential(given_credential.get("scheme", ""), given_credential.get("value", ""))
        issued = identity.issue(shown, _about(about, request.get("channel")))
        if not issued.ticket:
            return Ticket(refused=NOT_PROVED, kind=NOT_VERIFIED, again=issued.again)
        return Ticket(issued.ticket, issued.by)


def _identity() -> Identity | None:
    extern = workflow.extern_functions().get(EXTERN_FUNCTION)
    return None if extern is None else cast("Callable[[], Identity]", extern)()


def _about(request: Any, channel: Any = "") -> About:
    given, info = cast("Mapping[str, Any]", request), workflow.info()
    return About(
        info.namespace,
        info.workflow_id,
        digest_of_request(given),
        str(given.get("id", "")),
        str(given.get("by") or ""),
        channel if isinstance(channel, str) else "",
    )
