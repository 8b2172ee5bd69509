"""Heartbeats of an activity, so that a cancellation arrives and a dead worker is noticed."""

import asyncio
import contextlib
from collections.abc import Generator

from temporalio import activity

_SECONDS = 10.0  # where no heartbeat time-out asks for more


@contextlib.contextmanager
def heartbeating() -> Generator[None]:
    """Heartbeat at a third of the heartbeat time-out while the block runs, in an async activity."""
    timeout = activity.info().heartbeat_timeout
    interval = timeout.total_seconds() / 3 if timeout else _SECONDS
    task = asyncio.ensure_future(_for_ever(interval))
    try:
        yield
    finally:
        task.cancel()


async def _for_ever(interval: float) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(interval)
