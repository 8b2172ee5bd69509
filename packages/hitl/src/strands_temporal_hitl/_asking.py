"""Queries a workflow until it answers. Runs in the process of an approver.

`WorkflowHandle.query` does not do this. If several queries arrive during a workflow task, the server lets one
of them wait and refuses the others. The SDK retries a refused query five times in twelve seconds. That is not
often enough if readers of a stream query the same workflow. The SDK also raises ValueError if the workflow is
paused (temporalio 1.35).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import QueryRejectCondition, WorkflowExecutionStatus
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import QueryWorkflowRequest, QueryWorkflowResponse
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.converter import WorkflowSerializationContext
from temporalio.service import RPCError, RPCStatusCode

T = TypeVar("T")

_QUERY_SECONDS = 3.0  # timeout of the first query; a query to a worker that is ending is lost
_PAUSE = 0.1  # seconds between two calls, about
_TIMED_OUT = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
_TRANSIENT = (
    *_TIMED_OUT,
    RPCStatusCode.ABORTED,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.UNKNOWN,
)


async def ask_again(call: Callable[[], Awaitable[T]], timeout: timedelta) -> T:
    """Return the server's answer to `call`, with retries during an outage.

    Args:
        call: Makes one call.
        timeout: How long to retry.

    Raises:
        RPCError: The server refused, or the outage lasted longer.
    """
    until = time.monotonic() + timeout.total_seconds()
    while True:
        try:
            return await call()
        except RPCError as error:
            if error.status not in _TRANSIENT or time.monotonic() >= until:
                raise
        await asyncio.sleep(_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311  # no secret


class QueryRejectedError(Exception):
    """The server does not pass on the query: the workflow is paused, or has ended.

    Attributes:
        is_paused: Whether it is paused; otherwise it has ended.
    """

    def __init__(self, *, is_paused: bool) -> None:
        super().__init__()
        self.is_paused = is_paused


async def ask(
    client: Client,
    execution: WorkflowExecution,
    query: str,
    args: Sequence[Any],
    type_: type[T],
    *,
    closed: bool,
    timeout: timedelta,
) -> T:
    """Return a workflow's answer to a query.

    Args:
        client: A client with the workflow's data converter.
        execution: The workflow.
        query: Name of the query.
        args: Its arguments.
        type_: Type of the answer.
        closed: Whether to ask the workflow even if it has ended.
        timeout: How long to ask.

    Raises:
        QueryRejectedError: If it is paused, or has ended.
        WorkflowQueryFailedError: If the query fails in the workflow.
        RPCError: If no worker answered in time, or the server refuses.
        Exception: If the data converter fails.
    """
    context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=execution.workflow_id)
    converter = client.data_converter.with_context(context)
    condition = QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN
    request = QueryWorkflowRequest(
        namespace=client.namespace,
        execution=execution,
        query=WorkflowQuery(query_type=query),
        query_reject_condition=QueryRejectCondition.QUERY_REJECT_CONDITION_NONE if closed else condition,
    )
    if args:
        request.query.query_args.payloads.extend(await converter.encode(args))
    answer = await _answer(client, request, timeout)
    if answer.HasField("query_rejected"):
        status = answer.query_rejected.status
        paused = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_PAUSED
        raise QueryRejectedError(is_paused=status == paused)
    (value,) = await converter.decode(answer.query_result.payloads, [type_])
    return value


async def _answer(client: Client, request: QueryWorkflowRequest, timeout: timedelta) -> QueryWorkflowResponse:
    until, longest = time.monotonic() + timeout.total_seconds(), _QUERY_SECONDS

    async def query() -> QueryWorkflowResponse:
        nonlocal longest
        left = max(until - time.monotonic(), _PAUSE)
        try:
            return await client.workflow_service.query_workflow(
                request, timeout=timedelta(seconds=min(longest, left))
            )
        except RPCError as error:
            if error.status == RPCStatusCode.INVALID_ARGUMENT:
                raise WorkflowQueryFailedError(error.message) from error
            if error.status in _TIMED_OUT:  # a long history may take longer to replay
                longest *= 2
            raise

    return await ask_again(query, timeout)
