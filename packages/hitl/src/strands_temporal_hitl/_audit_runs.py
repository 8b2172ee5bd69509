"""Reads the audit chain of a workflow over all of its runs. Runs in the process of an approver."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ._asking import ask_again
from ._audit import AUDIT_QUERY, FORMAT, AuditEntry, AuditHead, AuditPage, canonical, entry_of
from ._errors import ApprovalsUnreachableError
from ._queries import ApprovalQueries, NoSuchQueryError, SilentWorkflowError
from ._workflows import ListedWorkflow, listed_workflows

_AT_ONCE = 10
"""How many workflows are read at the same time."""

_CONTINUED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW


@dataclass(frozen=True)
class AuditGap:
    """A run whose entries could not be read.

    Attributes:
        namespace: Namespace of the workflow.
        workflow_id: The workflow.
        run_id: The run.
        reason: Why.
    """

    namespace: str
    workflow_id: str
    run_id: str
    reason: str

    @property
    def line(self) -> str:
        """The gap as a line of an export."""
        return canonical({"format": FORMAT, "kind": "gap", **vars(self)})


@dataclass(frozen=True)
class AuditTrail:
    """The audit chain of a workflow.

    Attributes:
        entries: The entries of all runs that could be read, oldest first.
        gaps: The runs that could not be read.
    """

    entries: list[AuditEntry] = field(default_factory=list[AuditEntry])
    gaps: list[AuditGap] = field(default_factory=list[AuditGap])

    @property
    def head(self) -> AuditHead:
        """The latest entry's number and hash, to be kept elsewhere."""
        return AuditHead(self.entries[-1].number, self.entries[-1].hash) if self.entries else AuditHead()

    @property
    def lines(self) -> list[str]:
        """The gaps and the entries as lines of an export."""
        return [each.line for each in (*self.gaps, *self.entries)]


class AuditReader:
    """Reads audit chains.

    Args:
        client: Client of the workflows' namespace.
        queries: Asks workflows.
        timeout: How long the server may take.
    """

    def __init__(self, client: Client, queries: ApprovalQueries, timeout: timedelta) -> None:
        self._client = client
        self._queries = queries
        self._timeout = timeout

    async def run(self, workflow_id: str, run_id: str) -> AuditTrail:
        """Return the entries of one run.

        Raises:
            ApprovalsUnreachableError: If it does not answer.
        """
        _, lines = await self._lines(workflow_id, run_id)
        return AuditTrail([entry_of(line) for line in lines])

    async def workflow(
        self, workflow_id: str, ends: Sequence[str] = (), known: Collection[str] = frozenset()
    ) -> AuditTrail:
        """Return the entries of all runs that lead to the current run, and to other runs.

        Args:
            workflow_id: The workflow.
            ends: Further runs that no other run follows: of a workflow that was reset, or had this id before.
            known: Hashes of entries. The runs before such an entry's run are not read.
        """
        entries: list[AuditEntry] = []
        gaps: list[AuditGap] = []
        seen: set[str] = set()
        try:
            current = [await self._current(workflow_id)]
        except RPCError as error:
            current = []
            gaps += [] if ends else [self._gap(workflow_id, "", _why(error))]
        for end in [*current, *ends]:
            path, missing = await self._path(workflow_id, end, seen, known)
            entries += path
            gaps += missing
        return AuditTrail(entries, gaps)

    async def all(
        self, query: str, known: Callable[[str], Collection[str]] = lambda workflow_id: ()
    ) -> AsyncIterator[tuple[str, AuditTrail]]:
        """Yield the ids and the chains of the workflows that a visibility query finds, by their ids.

        Args:
            query: The query; "" finds all workflows.
            known: Returns the hashes of the entries that are known of a workflow, with all before them.

        Raises:
            RPCError: If the server does not list the workflows.
        """
        found: dict[str, list[ListedWorkflow]] = {}
        async for listed in listed_workflows(self._client, query):
            found.setdefault(listed.id, []).append(listed)

        def read(id_: str) -> "asyncio.Task[AuditTrail]":
            runs = sorted(found[id_], key=lambda each: each.started_at, reverse=True)
            ends = [each.run_id for each in runs if each.status != _CONTINUED]
            return asyncio.create_task(self.workflow(id_, ends, known(id_)))

        left, reading = deque(sorted(found)), deque[tuple[str, asyncio.Task[AuditTrail]]]()
        try:
            while left or reading:
                while left and len(reading) < _AT_ONCE:
                    id_ = left.popleft()
                    reading.append((id_, read(id_)))
                id_, task = reading.popleft()
                yield id_, await task
        finally:
            for _, task in reading:
                task.cancel()

    async def _path(
        self, workflow_id: str, end: str, seen: set[str], known: Collection[str]
    ) -> tuple[list[AuditEntry], list[AuditGap]]:
        """Return the entries of a run and of those before it."""
        found: list[list[str]] = []
        gaps: list[AuditGap] = []
        silence, run_id = "", end
        while run_id and run_id not in seen:
            seen.add(run_id)
            reason = silence and f"not asked, because a later run did not answer: {silence}"
            try:
                if not reason:
                    carried, lines = await self._lines(workflow_id, run_id)
                    found.append(lines)
                    if carried.number == 0 or carried.hash in known:
                        break
            except NoSuchQueryError as error:
                if not (error.has_approvals or found or gaps):
                    break  # a workflow without approvals
                reason = str(error)
            except SilentWorkflowError as error:
                reason = silence = str(error)
            except ApprovalsUnreachableError as error:
                reason = str(error)
            if reason:
                gaps.append(self._gap(workflow_id, run_id, reason))
            try:
                run_id = await self._before(workflow_id, run_id)
            except RPCError as error:
                if not reason:
                    gaps.append(
                        self._gap(workflow_id, run_id, f"the runs before it are unknown: {_why(error)}")
                    )
                break
        return [entry_of(line) for run in reversed(found) for line in run], gaps[::-1]

    async def _lines(self, workflow_id: str, run_id: str) -> tuple[AuditHead, list[str]]:
        lines: list[str] = []
        while True:
            args = [len(lines)] if lines else []
            page = await self._queries.query(
                workflow_id, run_id, AUDIT_QUERY, AuditPage, args=args, closed=True
            )
            lines += page.lines
            if not page.more:
                return page.carried, lines

    async def _current(self, workflow_id: str) -> str:
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        )
        service = self._client.workflow_service
        answer = await ask_again(lambda: service.describe_workflow_execution(request), self._timeout)
        return answer.workflow_execution_info.execution.run_id

    async def _before(self, workflow_id: str, run_id: str) -> str:
        """Return the run that continued as this one; "" if there is none."""
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=1,
        )
        service = self._client.workflow_service
        answer = await ask_again(lambda: service.get_workflow_execution_history(request), self._timeout)
        started = answer.history.events[0].workflow_execution_started_event_attributes
        return started.continued_execution_run_id

    def _gap(self, workflow_id: str, run_id: str, reason: str) -> AuditGap:
        return AuditGap(self._client.namespace, workflow_id, run_id, reason)


def _why(error: RPCError) -> str:
    if error.status == RPCStatusCode.NOT_FOUND:
        return f"its history is gone ({error.message})"
    return f"the server does not answer: {error.message}"
