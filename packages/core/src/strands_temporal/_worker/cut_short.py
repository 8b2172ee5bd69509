"""Attempts that a worker's shutdown, an operator's pause or a reset cut short.

An activity that honours its cancellation ends early and returns what it has. If the workflow cancelled it,
that is its result. In these three cases the workflow did not, so the attempt has no result and Temporal makes
it again.
"""

import asyncio
import contextlib
from collections.abc import Generator

from temporalio import activity


@contextlib.contextmanager
def whole_or_again() -> Generator[None]:
    """End the activity's attempt as cut short, if it is, whatever the block did.

    Raises:
        asyncio.CancelledError: If the attempt was cut short. The SDK reports it as such, to be made again.
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
    """Tell whether a shutdown, a pause or a reset ends this attempt, which Temporal then makes again."""
    details = activity.cancellation_details()
    return (
        details is not None
        and (details.worker_shutdown or details.paused or details.reset)
        and not details.cancel_requested  # then the workflow takes what there is
    )
