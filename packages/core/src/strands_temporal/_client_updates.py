"""Updates of workflows: sent again where no worker looked at them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.client import WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from ._client_errors import UNPROCESSED, type_of

T = TypeVar("T")

_MOST = 20
"""How often one update is sent again. More would hide a worker that takes no updates at all."""

_PAUSE = 0.5  # seconds between two tries


async def until_processed(send: Callable[[], Awaitable[T]]) -> T:
    """Send an update, and again while the server says that no worker looked at it, or that its task failed.

    That happens when a worker or the server dies between the two, or when the run continues as new in the
    task that would have looked at the update. Nothing is in history then.

    Args:
        send: Sends the update, with the same id each time.

    Raises:
        WorkflowUpdateFailedError: If the update failed, or no worker looked at it in 10 seconds.
        RPCError: If the server has another reason, or the workflow's tasks failed for 10 seconds.
    """
    for _ in range(_MOST):
        try:
            return await send()
        except WorkflowUpdateFailedError as error:
            if type_of(error) != UNPROCESSED:
                raise
        except RPCError as error:
            if not is_not_ready(error):
                raise
        await asyncio.sleep(_PAUSE)
    return await send()


def is_not_ready(error: RPCError) -> bool:
    """Tell whether the workflow task failed in which a worker would have looked at an update."""
    if error.status != RPCStatusCode.FAILED_PRECONDITION:
        return False
    details = error.grpc_status.details
    return any(detail.type_url.endswith(".WorkflowNotReadyFailure") for detail in details)
