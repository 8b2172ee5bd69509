"""What `ConversationClient` sends: messages of a size that Temporal takes, and signals instead of updates."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from ._errors import PayloadTooLargeError
from ._wire.conversations import SIGNAL_ID, ConversationState
from ._wire.sizes import LARGEST_PAYLOAD, update_size
from ._wire.values import encode_any

NO_ROOM = (RPCStatusCode.RESOURCE_EXHAUSTED, RPCStatusCode.FAILED_PRECONDITION)
"""Codes for a run with ten updates in progress, and for one that has had two thousand."""

_TAKEN_SECONDS = 30.0  # for the conversation to tell of the signal
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0  # seconds between two queries


async def signal_and_wait(
    handle: "WorkflowHandle[Any, Any]",
    name: str,
    request: str,
    look: Callable[[], Awaitable[ConversationState]],
    refusal: RPCError,
) -> tuple[str, ConversationState]:
    """Send a signal to a conversation, and wait until its state tells the outcome.

    Args:
        handle: The workflow, without a run.
        name: The signal: "close" or "cancel_turn".
        request: Its id, which counts once.
        look: Queries for the state.
        refusal: Why the update was not taken.

    Returns:
        The outcome, as in `ConversationState.signals`, and the state.

    Raises:
        RPCError: If the workflow has ended or is paused, or the conversation does not tell of the signal: its
            workers cannot be asked, or have an earlier release.
    """
    try:
        await look()
    except (RPCError, ValueError) as error:  # temporalio 1.35 raises a ValueError if the workflow is paused
        raise refusal from error
    await handle.signal(name, {SIGNAL_ID: request})
    until, pause, outcome = time.monotonic() + _TAKEN_SECONDS, _FIRST_PAUSE, None
    while True:
        try:
            state = await look()
        except (RPCError, ValueError):  # a query got lost, no worker answers now, or it was paused
            if outcome is None and time.monotonic() > until:
                raise refusal from None
        else:
            found = [each["outcome"] for each in state.signals if each.get(SIGNAL_ID) == request]
            outcome = found[-1] if found else outcome
            if outcome is not None and (outcome != "cancelling" or not found or state.status == "ended"):
                return outcome, state
            if outcome is None and time.monotonic() > until:
                raise refusal
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


async def sendable(client: Client, message: Any) -> Any:
    """Return a message as the conversation takes it.

    Raises:
        PayloadTooLargeError: If it is too large: its update would keep the workflow from doing anything.
    """
    encoded = encode_any(message)
    size = await update_size(encoded, client.data_converter)
    if size > LARGEST_PAYLOAD:
        raise PayloadTooLargeError(
            f"send: the message has {size:,} bytes, and Temporal takes {LARGEST_PAYLOAD:,}. Send less, or "
            "large data by reference"
        )
    return encoded
