"""Sends the heartbeats of an activity.

The response to a heartbeat can bring a cancellation. When heartbeats stop, the server knows that the worker
is dead.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from temporalio import activity

from .cut_short import whole_or_again

_SECONDS = 10.0  # interval for an activity without a heartbeat timeout


async def beat_forever(seconds: float) -> None:
    """Send a heartbeat every few seconds."""
    while True:
        await asyncio.sleep(seconds)  # not at once: each one is a request, on Temporal Cloud a billed action
        activity.heartbeat()


@contextlib.contextmanager
def heartbeating(beat: Callable[[float], Coroutine[Any, Any, None]] = beat_forever) -> Generator[None]:
    """Send a heartbeat every third of the heartbeat timeout while the block runs. For async activities.

    Args:
        beat: Sends them. Its argument is a third of the heartbeat timeout, in seconds.

    Raises:
        asyncio.CancelledError: If the worker's shutdown, a pause or a reset cut the attempt short, even if
            the block returned or raised. Temporal makes another attempt.
    """
    with whole_or_again(), running(beat):
        yield


@contextlib.contextmanager
def running(beat: Callable[[float], Coroutine[Any, Any, None]]) -> Generator[None]:
    """Run `beat` while the block runs. Its argument is a third of the heartbeat timeout, in seconds."""
    timeout = activity.info().heartbeat_timeout
    task = asyncio.ensure_future(beat(timeout.total_seconds() / 3 if timeout else _SECONDS))
    try:
        yield
    finally:
        task.cancel()
