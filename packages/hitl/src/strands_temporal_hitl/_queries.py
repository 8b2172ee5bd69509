"""Queries a workflow's approvals. If it cannot be asked, the error says why."""

import contextlib
import shlex
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.client import Client, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from ._asking import QueryRejectedError, ask
from ._errors import ApprovalsUnreachableError
from ._protocol import RECORDS_QUERY
from ._workflows import WorkflowState, workflow_state

T = TypeVar("T")


class NoSuchQueryError(ApprovalsUnreachableError):
    """The workflow does not know the query.

    Attributes:
        has_approvals: Whether it has `Approvals` of an earlier release.
    """

    def __init__(self, message: str, has_approvals: bool) -> None:
        super().__init__(message)
        self.has_approvals = has_approvals


class SilentWorkflowError(ApprovalsUnreachableError):
    """No worker answered in time."""


class ApprovalQueries:
    """Asks workflows, and says why one does not answer.

    Args:
        client: The client.
        timeout: How long to wait for an answer.
    """

    def __init__(self, client: Client, timeout: timedelta) -> None:
        self._client = client
        self._timeout = timeout

    async def query(
        self,
        workflow_id: str,
        run_id: str | None,
        query: str,
        type_: type[T],
        *,
        args: Sequence[Any] = (),
        closed: bool = False,
    ) -> T:
        """Return a query's answer.

        Args:
            workflow_id: The workflow.
            run_id: Its run; None for the current one.
            query: The query.
            type_: Type of the answer.
            args: The query's arguments.
            closed: Whether to ask the workflow even if it has ended.

        Raises:
            ApprovalsUnreachableError: If there is no answer. The message says why.
            QueryRejectedError: If the workflow has ended, and `closed` is False.
        """
        execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id or "")
        try:
            return await ask(
                self._client, execution, query, args, type_, closed=closed, timeout=self._timeout
            )
        except WorkflowQueryFailedError as error:
            text = f"Workflow {workflow_id!r} does not answer {query!r}"
            if query not in error.message:
                raise ApprovalsUnreachableError(f"{text}: {error.message}") from error
            # The message lists the queries that the workflow knows.
            has_approvals = query != RECORDS_QUERY and f"{RECORDS_QUERY}" in error.message
            why = "its worker has an earlier release" if has_approvals else "it has no Approvals"
            raise NoSuchQueryError(f"{text}: {why} ({error.message})", has_approvals) from error
        except RPCError as error:
            raise self.unreachable(workflow_id, error) from error
        except QueryRejectedError as error:
            if error.is_paused:
                raise ApprovalsUnreachableError(await self._paused(workflow_id, run_id)) from error
            raise
        except Exception as error:  # a user's converter or codec may raise anything
            raise ApprovalsUnreachableError(self.unreadable(workflow_id, error)) from error

    async def _paused(self, workflow_id: str, run_id: str | None) -> str:
        """Return a message that says that the workflow is paused, and by whom if the server knows."""
        state = WorkflowState("PAUSED")
        with contextlib.suppress(RPCError):
            state = await workflow_state(self._client, workflow_id, run_id, self._timeout)
        return pause_text(workflow_id, state)

    def unreadable(self, workflow_id: str, error: Exception) -> str:
        """Return a message for an error of the client's data converter."""
        return (
            f"The client's data converter fails on workflow {workflow_id!r} "
            f"({type(error).__name__}: {error}). Use the data converter of the workflow's workers, with "
            "its codec; on the command line give --codec-endpoint or --data-converter"
        )

    def unreachable(self, workflow_id: str, error: RPCError) -> ApprovalsUnreachableError:
        """Return the error for a call that the server refused, or that took too long."""
        if error.status in (RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED):
            return SilentWorkflowError(self.silence(workflow_id))
        return ApprovalsUnreachableError(f"Workflow {workflow_id!r} cannot be asked: {error.message}")

    def silence(self, workflow_id: str) -> str:
        """Return a message that says that no worker answered in time."""
        seconds = self._timeout.total_seconds()
        return f"No worker answered for workflow {workflow_id!r} within {seconds:g} s"


def pause_text(workflow_id: str, state: WorkflowState) -> str:
    """Return a message that says who paused a workflow, and how to unpause it."""
    by = f" by {state.paused_by}" if state.paused_by else ""
    why = f" ({state.pause_reason})" if state.pause_reason else ""
    return (
        f"Workflow {workflow_id!r} is paused{by}{why}: the server takes no queries or decisions until it is "
        f"unpaused (`temporal workflow unpause --workflow-id {shlex.quote(workflow_id)}`)"
    )
