"""The cancel signal of an agent in a workflow: a `threading.Event` that can be awaited.

Two things end an activity early. A cancelled workflow (or task) raises `asyncio.CancelledError`, which goes
through Strands and ends the run. A set signal (`agent.cancel()`, `cancel_signal=`) raises
`AgentCancelledError`, which Strands turns into a result with the stop reason "cancelled".
"""

import threading

from temporalio import workflow
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
