"""Heartbeats of an activity. A cancellation arrives with them, and a dead worker is noticed without them."""

import asyncio
import contextlib
from collections.abc import Generator

from temporalio import activity

from .cut_short import whole_or_again

_SECONDS = 10.0  # where no heartbeat time-out asks for more


@contextlib.contextmanager
def heartbeating() -> Generator[None]:
    """Heartbeat at a third of the heartbeat time-out while the block runs, in an async activity.

    Raises:
        asyncio.CancelledError: If the worker's shutdown, a pause or a reset cut the block short, although it
            ended by itself: the attempt is made again.
    """
    timeout = activity.info().heartbeat_timeout
    interval = timeout.total_seconds() / 3 if timeout else _SECONDS
    task = asyncio.ensure_future(_for_ever(interval))
    try:
        with whole_or_again():
            yield
    finally:
        task.cancel()


async def _for_ever(interval: float) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(interval)
