"""A server that says of updates that no worker looked at them, as one does whose worker died."""

from typing import Any

from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
)
from temporalio.exceptions import ApplicationError


class Unprocessed(Interceptor):
    """Refuses the first tries of each update so.

    Attributes:
        ids: Ids of the updates, in the order of the tries.
    """

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.ids: list[str | None] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        told = self

        class Outbound(OutboundInterceptor):
            async def start_workflow_update(
                self, input: StartWorkflowUpdateInput
            ) -> WorkflowUpdateHandle[Any]:
                told.refuse(input.update_id)
                return await super().start_workflow_update(input)

            async def start_update_with_start_workflow(
                self, input: StartWorkflowUpdateWithStartInput
            ) -> WorkflowUpdateHandle[Any]:
                await super().start_update_with_start_workflow(input)
                told.refuse(input.update_workflow_input.update_id)
                raise AssertionError("told too late")

        return Outbound(next)

    def refuse(self, id_: str | None) -> None:
        self.ids.append(id_)
        if self.ids.count(id_) <= self.times:
            raise WorkflowUpdateFailedError(ApplicationError("not processed", type="UnprocessedUpdate"))


def without_processing(client: Client) -> tuple[Client, Unprocessed]:
    """Return a client whose updates no worker looks at the first time, and what was sent."""
    unprocessed = Unprocessed()
    config = client.config()
    config["interceptors"] = [*config["interceptors"], unprocessed]
    return Client(**config), unprocessed
