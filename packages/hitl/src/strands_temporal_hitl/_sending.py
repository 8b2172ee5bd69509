"""Sends a decision to a workflow: as an update, or by signal if the run has no room for another update."""

import asyncio
import contextlib
import json
import time
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import (
    Client,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from strands_temporal.extension import until_processed

from ._asking import QueryRejectedError
from ._bounds import too_long
from ._decision import Decision
from ._errors import ApprovalRefusedError, ApprovalsEndedError, ApprovalsError, ApprovalsUnreachableError
from ._policy_types import CHANGE_UPDATE, MALFORMED_CHANGE, PolicyChange
from ._protocol import ANSWER_QUERY, DECIDE_SIGNAL, DECIDE_UPDATE, MALFORMED_DECISION, NOT_VERIFIED
from ._proving import GetCredential, Proving
from ._queries import ApprovalQueries, pause_text
from ._types import Answer, ApprovalRecord
from ._workflows import workflow_state

_NO_ROOM = (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.FAILED_PRECONDITION)
"""Codes for a run with ten updates in progress, and for one that has had two thousand."""

LARGEST_DECISION = 2_000_000
"""Bytes of a decision's JSON. The server (1.32) takes larger updates, but a worker cannot refuse one: its
workflow task fails as long as the update waits, because the refusal holds the update."""

_NO_CREDENTIAL = (
    "This client has none: give ApprovalsClient(credential=...), or on a command line --token or "
    "STRANDS_TEMPORAL_TOKEN"
)

_PAUSE = 0.1  # seconds between two queries for the answer to a decision


class DecisionSender:
    """Sends decisions to workflows.

    Args:
        client: Client of the workflows' namespace.
        queries: Asks workflows for the answers to decisions that went by signal.
        timeout: How long a workflow may take to answer.
        proving: Proves who decides.
    """

    def __init__(
        self, client: Client, queries: ApprovalQueries, timeout: timedelta, proving: Proving
    ) -> None:
        self._client = client
        self._queries = queries
        self._timeout = timeout
        self._proving = proving

    async def send(
        self,
        handle: "WorkflowHandle[Any, Any]",
        decision: Decision | PolicyChange,
        request: str,
        credential: GetCredential | None = None,
    ) -> ApprovalRecord:
        """Send a decision, or a change of the policy, and return its record.

        Args:
            handle: The workflow.
            decision: The decision or the change. A change goes by update alone.
            request: The decision's id, used as Temporal's id of the update. Each id counts once.
            credential: Proves who decides.

        Raises:
            ApprovalRefusedError: If the workflow refuses the decision.
            ApprovalsEndedError: If the workflow has ended.
            ApprovalsUnreachableError: If the workflow does not answer.
        """
        if why := too_long(decision.to_wire()):
            kind = MALFORMED_DECISION if isinstance(decision, Decision) else MALFORMED_CHANGE
            raise ApprovalRefusedError(why, kind)
        if (size := len(json.dumps(decision.to_wire(), default=str))) > LARGEST_DECISION:
            raise ApprovalRefusedError(
                f"The decision has {size:,} bytes of JSON, and may have {LARGEST_DECISION:,}",
                MALFORMED_DECISION,
            )
        try:
            decision = await self._proving.proved(handle.id, handle.run_id, decision, credential)
        except QueryRejectedError as error:
            missing = RPCError("it has ended", RPCStatusCode.NOT_FOUND, b"")
            raise await self._undecided(handle, missing) from error
        update = DECIDE_UPDATE if isinstance(decision, Decision) else CHANGE_UPDATE
        try:
            send = partial(
                handle.execute_update,
                update,
                decision.to_wire(),
                id=request,
                result_type=ApprovalRecord,
                rpc_timeout=self._timeout,
            )
            return await until_processed(send)
        except WorkflowUpdateFailedError as error:
            cause = error.cause
            kind = cause.type if isinstance(cause, ApplicationError) else None
            text = str(getattr(cause, "message", cause))
            if kind == NOT_VERIFIED and decision.proof is None:
                text = f"{text}. {_NO_CREDENTIAL}"
            raise ApprovalRefusedError(text, kind or "") from error
        except WorkflowUpdateRPCTimeoutOrCancelledError as error:
            if isinstance(error.__cause__, asyncio.CancelledError):  # temporalio 1.35 hides it
                raise error.__cause__ from None
            raise ApprovalsUnreachableError(
                f"{self._queries.silence(handle.id)}. The decision may still arrive: look at the records"
            ) from error
        except RPCError as error:
            if error.status in _NO_ROOM and isinstance(decision, Decision):
                return await self._send_by_signal(handle, decision, request, error)
            raise await self._undecided(handle, error) from error
        except Exception as error:  # a user's converter or codec may raise anything
            raise ApprovalsUnreachableError(
                f"{self._queries.unreadable(handle.id, error)}. The decision may have been taken: look at "
                "the records"
            ) from error

    async def _send_by_signal(
        self, handle: "WorkflowHandle[Any, Any]", decision: Decision, request: str, refusal: RPCError
    ) -> ApprovalRecord:
        """Send a decision as a signal, after the server refused the update. Query for its answer."""

        async def answer() -> Answer:
            return await self._queries.query(
                handle.id, handle.run_id, ANSWER_QUERY, Answer, args=[request], closed=True
            )

        try:
            told = await answer()
        except ApprovalsUnreachableError:  # it is paused, or its workers have an earlier release
            raise await self._undecided(handle, refusal) from refusal
        try:
            await handle.signal(
                DECIDE_SIGNAL,
                {"decision": decision.to_wire(), "request": request},
                rpc_timeout=self._timeout,
            )
        except RPCError as error:
            raise await self._undecided(handle, error) from error
        until = time.monotonic() + self._timeout.total_seconds()
        while not (told.record or told.refused):
            if time.monotonic() > until:
                raise ApprovalsUnreachableError(
                    f"{self._queries.silence(handle.id)}. The decision may still arrive: look at the records"
                ) from refusal
            await asyncio.sleep(_PAUSE)
            with contextlib.suppress(ApprovalsUnreachableError):  # a query got lost: ask again
                told = await answer()
        if told.record is None:
            raise ApprovalRefusedError(told.refused, told.kind) from refusal
        return told.record

    async def _undecided(self, handle: "WorkflowHandle[Any, Any]", error: RPCError) -> ApprovalsError:
        """Return why no decision arrived: the workflow has ended, is paused, or cannot be asked now."""
        # NOT_FOUND: it has ended, or was never known. FAILED_PRECONDITION: it is paused.
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
            with contextlib.suppress(RPCError):
                state = await workflow_state(self._client, handle.id, handle.run_id, self._timeout)
                if not state.is_open:
                    return ApprovalsEndedError(
                        f"Workflow {handle.id!r} has ended ({state.status}) and takes no more decisions",
                        state.status,
                    )
                if state.is_paused:
                    return ApprovalsUnreachableError(pause_text(handle.id, state))
        return self._queries.unreachable(handle.id, error)
