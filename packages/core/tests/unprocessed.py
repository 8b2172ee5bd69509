"""A server that has no answer to updates: no worker looked at them, or the server's own time was over."""

from typing import Any

from temporalio.api.common.v1 import GrpcStatus
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode


class Unprocessed(Interceptor):
    """Refuses the first try of each update so.

    Args:
        timeouts: Whether the server's own time was over, as when it restarts. It has taken the update then.
        fails: Whether the workflow task failed in which a worker would have looked at the update.

    Attributes:
        ids: Ids of the updates, in the order of the tries.
    """

    def __init__(self, *, timeouts: bool = False, fails: bool = False) -> None:
        self.timeouts, self.fails = timeouts, fails
        self.ids: list[str | None] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        told = self

        class Outbound(OutboundInterceptor):
            async def start_workflow_update(
                self, input: StartWorkflowUpdateInput
            ) -> WorkflowUpdateHandle[Any]:
                if told.timeouts and input.update_id not in told.ids:
                    await super().start_workflow_update(input)
                told.refuse(input.update_id)
                return await super().start_workflow_update(input)

            async def start_update_with_start_workflow(
                self, input: StartWorkflowUpdateWithStartInput
            ) -> WorkflowUpdateHandle[Any]:
                handle = await super().start_update_with_start_workflow(input)
                told.refuse(input.update_workflow_input.update_id)
                return handle

        return Outbound(next)

    def refuse(self, id_: str | None) -> None:
        self.ids.append(id_)
        if self.ids.count(id_) > 1:
            return
        if self.timeouts:
            cause = RPCError("context deadline exceeded", RPCStatusCode.DEADLINE_EXCEEDED, b"")
            raise WorkflowUpdateRPCTimeoutOrCancelledError from cause
        if self.fails:
            raise not_ready()
        raise WorkflowUpdateFailedError(ApplicationError("not processed", type="UnprocessedUpdate"))


def not_ready(detail: str = "WorkflowNotReadyFailure") -> RPCError:
    """Return the server's error for a workflow task that failed, as it comes over the wire."""
    status = GrpcStatus(code=9, message="unexpected workflow task failure")
    status.details.add(type_url=f"type.googleapis.com/temporal.api.errordetails.v1.{detail}")
    return RPCError(status.message, RPCStatusCode.FAILED_PRECONDITION, status.SerializeToString())


def without_processing(
    client: Client, *, timeouts: bool = False, fails: bool = False
) -> tuple[Client, Unprocessed]:
    """Return a client whose updates have no answer the first time (see `Unprocessed`), and what was sent."""
    unprocessed = Unprocessed(timeouts=timeouts, fails=fails)
    config = client.config()
    config["interceptors"] = [*config["interceptors"], unprocessed]
    return Client(**config), unprocessed
