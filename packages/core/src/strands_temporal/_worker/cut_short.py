"""Handles attempts that a worker's shutdown, an operator's pause or a reset cut short.

An activity that honours its cancellation ends early and returns what it has. This partial result counts only
if the workflow cancelled the activity. After a shutdown, a pause or a reset the attempt has no result, and
Temporal makes another one.
"""

import asyncio
import contextlib
from collections.abc import Generator

from temporalio import activity


@contextlib.contextmanager
def whole_or_again() -> Generator[None]:
    """If the attempt was cut short, report that instead of the block's result or error.

    Raises:
        asyncio.CancelledError: If the attempt was cut short. The SDK reports it, and Temporal makes another
            attempt.
    """
    try:
        yield
    except Exception as error:
        if is_cut_short():
            raise asyncio.CancelledError from error
        raise
    if is_cut_short():
        raise asyncio.CancelledError


def is_cut_short() -> bool:
    """Tell whether a shutdown, a pause or a reset ends this attempt. Temporal then makes another one."""
    details = activity.cancellation_details()
    return (
        details is not None
        and (details.worker_shutdown or details.paused or details.reset)
        and not details.cancel_requested  # a workflow that cancels takes the partial result
    )
