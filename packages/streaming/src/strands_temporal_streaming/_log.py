"""A workflow's stream, read by describe and query: a reader costs the workflow no update and no history.

temporalio's own subscriber polls by update. Each waiting reader is an update in progress, even after its
process has ended. The server allows ten in one run. Readers that use them up block decisions and chat turns,
which are updates too. The query used here is one of those that `WorkflowStream` registers and documents.
"""

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from enum import Enum
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import ContinueAsNewInitiator, QueryRejectCondition
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    QueryWorkflowRequest,
    QueryWorkflowResponse,
)
from temporalio.client import Client
from temporalio.contrib.workflow_streams import PollInput, PollResult
from temporalio.converter import WorkflowSerializationContext
from temporalio.service import RPCError, RPCStatusCode

from strands_temporal.extension import OPEN_STATUSES, workflow_status_name

from ._limits import POLL_QUERY
from ._snapshot import SNAPSHOT_QUERY, Present, present_from
from ._tails import MODEL_ACTIVITIES, Tail, TailReader

READS = (POLL_QUERY, SNAPSHOT_QUERY)
"""Queries and updates by which a stream is read: `AgentStream`'s, and those of temporalio's own reader."""

_DESCRIBE_TIMEOUT = timedelta(seconds=10)
_QUERY_TIMEOUT = timedelta(seconds=3)  # a query to a worker that is ending is lost, and repeated
_LONGEST_QUERY_TIMEOUT = timedelta(seconds=60)
_SLOW_WORKERS_TIMEOUT = timedelta(seconds=12)
_TIMED_OUT = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)  # the second is the SDK's own

TRANSIENT_CODES = frozenset(
    {
        RPCStatusCode.ABORTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.UNKNOWN,
    }
)
"""Codes worth a retry: the server restarts, the workflow has no worker, or too many calls come at once."""

# Initiators of runs that carry nothing over from the previous run.
_FRESH_START_INITIATORS = frozenset(
    {
        ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY,
        ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE,
    }
)


T = TypeVar("T")

_usual: WeakKeyDictionary[Client, timedelta] = WeakKeyDictionary()
"""How long a query may take: a few times as long as the last one that was answered. A query that a busy
worker answers too late costs it a replay, because Temporal's SDK then drops the workflow from its cache."""

_SNAPSHOT_ATTEMPTS = 12  # in about ten seconds


class NoAnswerError(Exception):
    """No worker answered; one may answer later. The cause is the error of the failed query."""


@dataclass(frozen=True)
class Run:
    """One run of a workflow, as the server describes it.

    Attributes:
        id: The run id.
        chain: Id shared by all runs of the workflow, over resets, retries and continue-as-new.
        status: Temporal's name of the status: `RUNNING`, `PAUSED`, `COMPLETED`.
        events: Length of the history. While it stays the same, the stream has nothing new.
        is_at_work: Whether a workflow task is under way, or waits for a worker.
        task: When that task was scheduled, if it is the first attempt; else "". While it stays the same, no
            worker answers a query.
        heartbeats: Details of the heartbeats of its model calls, as bytes.
        is_calling: Whether a model call runs.
        started_at: When it started, ISO 8601 in UTC.
    """

    id: str
    chain: str
    status: str
    events: int
    is_at_work: bool
    task: str = ""
    heartbeats: tuple[bytes, ...] = ()
    is_calling: bool = False
    started_at: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended. A paused run is open."""
        return self.status in OPEN_STATUSES

    @property
    def is_paused(self) -> bool:
        """Whether an operator paused it. The server then refuses all queries."""
        return self.status == "PAUSED"


class Origin(Enum):
    """How a later run of a workflow began."""

    CONTINUED = "continued as new by the workflow"
    FRESH = "another attempt of the workflow, or the next run of its cron schedule"
    RESET = "reset by an operator"


@dataclass(frozen=True)
class Item:
    """One item of a stream."""

    offset: int
    topic: str
    payload: Payload


@dataclass(frozen=True)
class Page:
    """A part of a stream.

    Attributes:
        asked: The requested offset.
        start: Offset of its first item. If it is above `asked`, the stream has dropped the items in between.
        stop: Offset after its last item.
        items: Everything between the two, of all topics.
        is_last: Whether the stream has no more items yet.
        tails: What the running model calls have written since their last items.
        polled: Number of the poll that it answers (see `StreamReader.poke`).
    """

    asked: int
    start: int
    stop: int
    items: Sequence[Item]
    is_last: bool
    tails: Sequence[Tail] = ()
    polled: int = 0


class StreamLog:
    """Reads the stream of one workflow.

    Args:
        client: A client.
        workflow_id: Id of the workflow.
    """

    def __init__(self, client: Client, workflow_id: str) -> None:
        self._client = client
        self._workflow_id = workflow_id
        context = WorkflowSerializationContext(namespace=client.namespace, workflow_id=workflow_id)
        self._converter = client.data_converter.with_context(context)
        self._query_timeout = _QUERY_TIMEOUT
        self._tails = TailReader(client, workflow_id)

    async def tails(self, run: Run) -> Sequence[Tail]:
        """Return what the run's model calls have written since their last items."""
        return await self._tails.tails(run.heartbeats)

    async def describe(self, run_id: str = "") -> Run:
        """Return a run, by default the latest. No worker is needed.

        Raises:
            RPCError: If the server does not know it, or does not answer.
        """
        # Not `WorkflowHandle.describe`: it raises ValueError for a paused workflow.
        answer = await self._client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=self._workflow_id, run_id=run_id),
            ),
            retry=True,
            timeout=_DESCRIBE_TIMEOUT,
        )
        info = answer.workflow_execution_info
        status = workflow_status_name(info.status)
        task = answer.pending_workflow_task
        calls = [one for one in answer.pending_activities if one.activity_type.name in MODEL_ACTIVITIES]
        return Run(
            info.execution.run_id,
            info.first_run_id,
            status,
            info.history_length,
            answer.HasField("pending_workflow_task"),
            "" if task.attempt > 1 or not task.HasField("scheduled_time") else str(task.scheduled_time),
            tuple(
                payload.SerializeToString(deterministic=True)
                for one in calls
                for payload in one.heartbeat_details.payloads
            ),
            bool(calls),
            info.start_time.ToDatetime(timezone.utc).isoformat(),
        )

    async def origin(self, run_id: str) -> Origin:
        """Return how a run began. No worker is needed.

        Raises:
            RPCError: If the server does not know it, or does not answer.
        """
        run = self._client.get_workflow_handle(self._workflow_id, run_id=run_id)
        event = await anext(run.fetch_history_events(page_size=1))
        started = event.workflow_execution_started_event_attributes
        if started.original_execution_run_id != run_id:
            return Origin.RESET
        return Origin.FRESH if started.initiator in _FRESH_START_INITIATORS else Origin.CONTINUED

    async def page(self, run_id: str, offset: int) -> Page:
        """Return a part of a run's stream, from `offset` on, of about 1 MB at most.

        Raises:
            NoAnswerError: If no worker answers now, or the workflow is paused.
            RPCError: If the server does not know the run, or refuses.
            ValueError: If the workflow has no stream, or the client cannot decode it.
        """
        result = await self._poll(run_id, offset)
        items = [
            Item(item.offset, item.topic, Payload.FromString(base64.b64decode(item.data)))
            for item in result.items
        ]
        start = items[0].offset if items else result.next_offset
        return Page(offset, start, result.next_offset, items, not result.more_ready)

    async def present(self, run_id: str) -> Present | None:
        """Return the present state of a run. None if its workflow does not tell it.

        Raises:
            RPCError: If the server does not know the run.
            ValueError: If the client cannot decode the answer.
        """
        for attempt in range(_SNAPSHOT_ATTEMPTS):
            try:
                answer = await self._query(run_id, SNAPSHOT_QUERY)
            except NoAnswerError:
                await asyncio.sleep(min(1.0, 0.05 * 2**attempt))
                continue
            except ValueError:  # the workflow has no such query
                return None
            if not answer.HasField("query_rejected"):
                return present_from(await self._decoded(answer, dict[str, Any]))
            await asyncio.sleep(1.0)  # paused
        return None

    async def _poll(self, run_id: str, offset: int) -> PollResult:
        # Ask for all topics: only then does the first item tell where the stream begins.
        answer = await self._query(run_id, POLL_QUERY, PollInput(from_offset=offset))
        if answer.HasField("query_rejected"):  # the server refuses queries of a paused workflow
            raise NoAnswerError(f"Workflow {self._workflow_id!r} is paused")
        return await self._decoded(answer, PollResult)

    async def _decoded(self, answer: QueryWorkflowResponse, type_: type[T]) -> T:
        try:
            (result,) = await self._converter.decode(answer.query_result.payloads, [type_])
        except Exception as error:  # a user's converter or codec may raise anything
            raise ValueError(
                f"The stream of workflow {self._workflow_id!r} cannot be decoded ({type(error).__name__}: "
                f"{error}). Give the client the data converter, with its codec, of the workflow's workers"
            ) from error
        return result

    async def _query(self, run_id: str, query: str, *args: Any) -> QueryWorkflowResponse:
        arguments = await self._converter.encode(args)
        request = QueryWorkflowRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=self._workflow_id, run_id=run_id),
            query=WorkflowQuery(query_type=query, query_args=Payloads(payloads=arguments)),
            query_reject_condition=QueryRejectCondition.QUERY_REJECT_CONDITION_NONE,
        )
        timeout = max(self._query_timeout, _usual.get(self._client, _QUERY_TIMEOUT))
        asked_at = time.monotonic()
        try:
            # Not `WorkflowHandle.query`: if two queries arrive in one workflow task, it waits a second or
            # more.
            answer = await self._client.workflow_service.query_workflow(request, timeout=timeout)
        except RPCError as error:
            if error.status in _TIMED_OUT:  # a worker may have to replay a long history first
                self._query_timeout = min(self._query_timeout * 2, _LONGEST_QUERY_TIMEOUT)
            if error.status in TRANSIENT_CODES:
                raise NoAnswerError from error
            if error.status != RPCStatusCode.INVALID_ARGUMENT:
                raise
            if query not in error.message:  # for example, the workers cannot replay the workflow
                raise NoAnswerError from error
            raise ValueError(
                f"Workflow {self._workflow_id!r} has no stream to read ({error.message}). Write "
                "`self.stream = WorkflowStream()` in the workflow's __init__"
            ) from error
        self._query_timeout = _QUERY_TIMEOUT
        needed = 4 * timedelta(seconds=time.monotonic() - asked_at)
        _usual[self._client] = min(max(needed, _QUERY_TIMEOUT), _SLOW_WORKERS_TIMEOUT)
        return answer
