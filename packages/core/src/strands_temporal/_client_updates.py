"""Updates of workflows: sent again where no worker looked at them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.client import WorkflowUpdateFailedError

from ._client_errors import UNPROCESSED, type_of

T = TypeVar("T")

_MOST = 20
"""How often one update is sent again. More would hide a worker that takes no updates at all."""

_PAUSE = 0.5  # seconds between two tries


async def until_processed(send: Callable[[], Awaitable[T]]) -> T:
    """Send an update, and again while the server says that no worker looked at it.

    That happens when a worker or the server dies between the two. Nothing is in history then.

    Args:
        send: Sends the update, with the same id each time.

    Raises:
        WorkflowUpdateFailedError: If the update failed, or no worker looked at it in 10 seconds.
    """
    for _ in range(_MOST):
        try:
            return await send()
        except WorkflowUpdateFailedError as error:
            if type_of(error) != UNPROCESSED:
                raise
        await asyncio.sleep(_PAUSE)
    return await send()
