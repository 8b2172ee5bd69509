"""Cancellation of an agent in a workflow: the signal, and how an activity is ended by it.

Two things end an activity early. A cancelled workflow (or task) raises `asyncio.CancelledError`, which goes
through Strands and ends the run. A set signal (`agent.cancel()`, `cancel_signal=`) raises
`AgentCancelledError`, which becomes what Strands makes of a cancellation: a result with the stop reason
"cancelled".
"""

import asyncio
import threading
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError
from typing_extensions import override

from .._errors import SynchronousCallError


class CancelSignal(threading.Event):
    """A cancel signal for agents in a workflow: `agent.invoke_async(..., cancel_signal=CancelSignal())`.

    It is a `threading.Event`, which a workflow's sandbox would not let you make. Set it in a signal or update
    handler, or anywhere else in the workflow's code; clear it before you use it again. An agent in a workflow
    has one of its own, which `agent.cancel()` sets and tools find as `tool_context.cancel_signal`. To wait
    for it, `await workflow.wait_condition(signal.is_set)`: it costs no timer.
    """

    @override
    def set(self) -> None:
        """Cancel. In a workflow: from its code, and not from a query or a validator, which do not replay.

        Raises:
            temporalio.workflow.ReadOnlyContextError: In a query, or in an update's validator.
        """
        if workflow.in_workflow() and workflow.unsafe.is_read_only():
            raise workflow.ReadOnlyContextError(
                "An agent cannot be cancelled from a query or a validator, which leave no trace in history. "
                "Cancel it from a signal or an update"
            )
        super().set()

    @override
    def wait(self, timeout: float | None = None) -> bool:
        """Return whether the signal was set, as `threading.Event.wait`. In a workflow only if it is set.

        Raises:
            SynchronousCallError: In a workflow, where blocking would stop the workflow itself.
        """
        if workflow.in_workflow() and not self.is_set():
            raise SynchronousCallError(
                "signal.wait() would block the workflow. Write `await workflow.wait_condition(signal.is_set)`"
            )
        return super().wait(timeout)


class AgentCancelledError(ApplicationError):
    """An activity ended, or was not started, because the agent's cancel signal was set.

    Tools answer it with a failed result; Strands then ends the invocation as cancelled.
    """

    def __init__(self) -> None:
        # The words of Strands (1.62: event_loop.py:916) for a tool that a cancellation kept from running.
        super().__init__("Tool execution cancelled", type="AgentCancelledError", non_retryable=True)

    @override
    def __str__(self) -> str:
        return self.message


async def ended(handle: "asyncio.Task[Any]", signal: threading.Event | None) -> bool:
    """Wait until an activity has ended, and cancel it when `signal` is set or the waiting task is cancelled.

    A cancelled activity has ended when its `cancellation_type` says so: at once, unless it is
    WAIT_CANCELLATION_COMPLETED.

    Args:
        handle: What `workflow.start_activity` returned.
        signal: A signal to watch. No timer does it: the workflow looks whenever something happened in it.

    Returns:
        Whether the signal ended it. The handle is done either way.

    Raises:
        asyncio.CancelledError: If the waiting task was cancelled, however the activity then ended: its result
            or its failure would else take the cancellation's place.
    """
    # Nobody may be left to ask: an exception that was never retrieved is logged as an error.
    handle.add_done_callback(lambda done: done.cancelled() or done.exception())
    waiting: list[asyncio.Task[Any]] = [handle]
    if signal is not None:
        waiting.append(asyncio.create_task(workflow.wait_condition(signal.is_set)))
    try:
        # Not the handle itself is awaited: a cancellation of this task would only be one of the handle's, and
        # could not be told from the signal's.
        await workflow.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if handle.done():
            return False
        handle.cancel()
        await workflow.wait([handle])
    except asyncio.CancelledError:
        handle.cancel()
        await workflow.wait([handle])
        raise
    else:
        return True
    finally:
        for watcher in waiting[1:]:
            watcher.cancel()
