"""The exchange of `ClientTools` with its workflow: asks for open calls, and sends claims and results.

Runs in the client's process. It goes on over restarts of the server and of the workers, and over
continue-as-new. temporalio's own query gives up after some seconds, and raises ValueError if the workflow is
paused (temporalio 1.35).
"""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import QueryRejectCondition, WorkflowExecutionStatus
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    QueryWorkflowRequest,
)
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.converter import WorkflowSerializationContext
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from ._client_errors import raise_if_cancelled
from ._client_updates import until_processed
from ._errors import ClientToolsUnreachableError
from ._wire.client_tools import ANSWER_QUERY, CALLS_QUERY, SIGNAL, ClientCall
from ._wire.sizes import LARGEST_PAYLOAD, update_size

T = TypeVar("T")

_TRANSIENT = (
    RPCStatusCode.ABORTED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.UNKNOWN,
)
"""Codes worth a retry: the server restarts, or no worker answers."""

_NO_ROOM = (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.FAILED_PRECONDITION)
"""Codes for a run with ten updates in progress, and for one that has had two thousand."""

_TOO_LARGE = ("larger than max", "size exceeds", "too large")
"""What the server says of a message that it does not take."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # seconds between two attempts
_QUERY_SECONDS = 3.0  # time-out of the first query; a query to a worker that is ending is lost
_LONGEST_QUERY = 30.0
_DESCRIBE_TIMEOUT = timedelta(seconds=5)
_NO_CALLS_SECONDS = 10.0
"""How long a workflow may lack the query, because workers of two releases take turns; or may be unknown to a
server that has just started."""


class RefusedError(Exception):
    """The workflow did not take a message.

    Attributes:
        kind: Why: a type of `_wire/client_tools.py`.
    """

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class WorkflowEndedError(Exception):
    """The workflow has ended, and has no next run."""


class Link:
    """Asks one workflow for its calls, in whichever run it is, and sends messages to it.

    Args:
        client: Client with the workflow's data converter.
        workflow_id: The workflow.
        outage_timeout: Seconds for which the server or the workers may not answer. None: for ever.
    """

    def __init__(self, client: Client, workflow_id: str, outage_timeout: float | None) -> None:
        self._client = client
        self._handle = client.get_workflow_handle(workflow_id)
        self._patience = outage_timeout
        self._query_seconds = _QUERY_SECONDS
        self._is_known = False
        self._looked_at: tuple[str, int] | None = None
        self._seen: tuple[str, int] | None = None
        self._calls: list[ClientCall] = []

    async def open_calls(self) -> list[ClientCall]:
        """Return the calls that wait for a client.

        Looks at the length of the history, which only the server has to know. Queries the workflow if that
        has changed, and never during a workflow task: a worker without a workflow cache would drop the next
        one (findings/queries-lose-tasks-without-the-cache.sh).

        Raises:
            WorkflowEndedError: If the workflow has ended.
            ClientToolsUnreachableError: If it cannot be asked.
        """

        async def look() -> list[ClientCall]:
            described = await self._described()
            info = described.workflow_execution_info
            seen, before = (info.execution.run_id, info.history_length), self._looked_at
            self._looked_at = seen
            if seen != self._seen:
                _check_rest(described)
                if seen != before:  # it is at work: look again
                    raise _transient("it is at work")
                listed = await self._query(CALLS_QUERY, [], list[dict[str, Any]])
                self._seen, self._calls = seen, [ClientCall.from_wire(one) for one in listed]
            return self._calls

        return await self._ask(look)

    async def whole(self, call: ClientCall) -> ClientCall | None:
        """Return a call with its arguments; None if it is not open any more. Queries for those that were cut.

        Raises:
            ClientToolsUnreachableError: If the workflow cannot be asked.
        """
        if not call.cut:
            return call

        async def fetch() -> ClientCall | None:
            _check_rest(await self._described())
            listed = await self._query(CALLS_QUERY, [call.id], list[dict[str, Any]])
            found = next((ClientCall.from_wire(one) for one in listed if one.get("id") == call.id), None)
            if found is not None and found.cut:
                raise _transient("its worker has a release that lists large calls after the others")
            return found

        return await self._ask(fetch)

    async def send(self, update: str, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message until the workflow has taken or refused it. It counts once.

        Raises:
            RefusedError: If the workflow refused it.
            WorkflowEndedError: If the workflow has ended.
            ClientToolsUnreachableError: If the workflow cannot be asked.
        """
        request = str(uuid.uuid4())
        size = await update_size(message, self._client.data_converter)
        if size > LARGEST_PAYLOAD:
            text = f"{size:,} bytes are too large to send; Temporal takes {LARGEST_PAYLOAD:,}"
            raise RefusedError(text, "")

        async def by_update() -> dict[str, Any]:
            try:
                send = partial(
                    self._handle.execute_update,
                    update,
                    message,
                    id=request,
                    result_type=dict[str, Any],
                    rpc_timeout=timedelta(seconds=20),
                )
                return await until_processed(send)
            except WorkflowUpdateFailedError as error:
                cause = error.cause
                kind = cause.type if isinstance(cause, ApplicationError) else None
                raise RefusedError(str(getattr(cause, "message", cause)), kind or "") from error
            except WorkflowUpdateRPCTimeoutOrCancelledError as error:
                raise_if_cancelled(error)
                raise _transient("the update had no answer in time") from error
            except RPCError as error:
                if _is_too_large(error):
                    raise RefusedError(error.message, "") from error
                if error.status in _NO_ROOM:
                    return await self._by_signal(update, message, request)
                raise

        async def attempt() -> dict[str, Any]:
            try:
                return await by_update()
            except RPCError as error:
                if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
                    raise
                await self.open_calls()  # raises if it has ended; waits while it is paused
                raise _transient(error.message) from error

        return await self._patiently(attempt)

    async def _by_signal(self, update: str, message: dict[str, Any], request: str) -> dict[str, Any]:
        """Send a message by signal, after the server refused the update. Query for its answer."""
        await self._handle.signal(SIGNAL, {"update": update, "value": message, "request": request})
        until = time.monotonic() + _LONGEST_QUERY
        while time.monotonic() < until:
            told = await self._ask(lambda: self._query(ANSWER_QUERY, [request], dict[str, Any]))
            if "answer" in told:
                return told["answer"]
            if "refused" in told:
                raise RefusedError(told["refused"], told["type"])
            await asyncio.sleep(_FIRST_PAUSE)
        raise _transient("the signal had no answer in time")

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what the workflow tells, with retries during an outage."""
        lacking_since: float | None = None

        async def ask() -> T:
            nonlocal lacking_since
            try:
                answer = await call()
            except RPCError as error:
                if error.status == RPCStatusCode.FAILED_PRECONDITION:  # its workflow task fails
                    raise _transient(error.message) from error
                if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                    raise
                lacking_since = lacking_since or time.monotonic()
                is_new = error.status == RPCStatusCode.NOT_FOUND and not self._is_known
                if not is_new and time.monotonic() - lacking_since < _NO_CALLS_SECONDS:
                    raise _transient(error.message) from error
                if error.status == RPCStatusCode.NOT_FOUND:
                    raise ClientToolsUnreachableError(
                        f"There is no workflow {self._handle.id!r} in the namespace "
                        f"{self._client.namespace!r}"
                    ) from error
                raise ClientToolsUnreachableError(
                    f"Workflow {self._handle.id!r} does not list its client calls: {error.message}. Make "
                    "ClientCalls() (or Approvals, or a Conversation) in the workflow's __init__, and run "
                    "workers with this release"
                ) from error
            self._is_known = True
            return answer

        return await self._patiently(ask)

    async def _described(self) -> DescribeWorkflowExecutionResponse:
        """Return what the server knows of the workflow, which is open."""
        execution = WorkflowExecution(workflow_id=self._handle.id)
        request = DescribeWorkflowExecutionRequest(namespace=self._client.namespace, execution=execution)
        described = await self._client.workflow_service.describe_workflow_execution(
            request, timeout=_DESCRIBE_TIMEOUT
        )
        _check_open(described.workflow_execution_info.status)
        return described

    async def _query(self, query: str, args: Sequence[Any], type_: type[T]) -> T:
        client = self._client
        context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=self._handle.id)
        converter = client.data_converter.with_context(context)
        request = QueryWorkflowRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=self._handle.id),
            query=WorkflowQuery(query_type=query),
            query_reject_condition=QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN,
        )
        if args:
            request.query.query_args.payloads.extend(await converter.encode(args))
        try:
            answer = await client.workflow_service.query_workflow(
                request, timeout=timedelta(seconds=self._query_seconds)
            )
        except RPCError as error:
            if error.status == RPCStatusCode.DEADLINE_EXCEEDED:  # a long history may take longer to replay
                self._query_seconds = min(2 * self._query_seconds, _LONGEST_QUERY)
            raise
        if answer.HasField("query_rejected"):
            _check_open(answer.query_rejected.status)
        (value,) = await converter.decode(answer.query_result.payloads, [type_])
        return value

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to `call`, with retries during an outage."""
        since, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            try:
                return await call()
            except RPCError as error:
                if error.status not in _TRANSIENT:
                    raise
                waited = time.monotonic() - since
                if self._patience is not None and waited > self._patience:
                    raise ClientToolsUnreachableError(
                        f"Workflow {self._handle.id!r} has not answered for {waited:.0f} s: {error.message}. "
                        "Does the server run, and a worker for this workflow?"
                    ) from error
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
            pause = min(2 * pause, _LONGEST_PAUSE)


def _check_open(status: WorkflowExecutionStatus.ValueType) -> None:
    if status in _GOES_ON:
        raise _transient("it is paused, or between two runs")
    if status != WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING:
        raise WorkflowEndedError(WorkflowExecutionStatus.Name(status))


def _check_rest(described: DescribeWorkflowExecutionResponse) -> None:
    if described.HasField("pending_workflow_task") and described.pending_workflow_task.ByteSize():
        raise _transient("no worker has finished its workflow task")


_GOES_ON = (
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED,
)


def _transient(message: str) -> RPCError:
    """Return an error that is worth a retry."""
    return RPCError(message, RPCStatusCode.ABORTED, b"")


def _is_too_large(error: RPCError) -> bool:
    return any(text in error.message for text in _TOO_LARGE)
