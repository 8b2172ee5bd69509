"""The cancel signal of an agent in a workflow: a `threading.Event` that can be awaited.

Two things end an activity early. A cancelled workflow (or task) raises `asyncio.CancelledError`, which passes
through Strands and ends the run. A set signal (`agent.cancel()`, `cancel_signal=`) raises
`AgentCancelledError`, which Strands turns into a result with the stop reason "cancelled".
"""

import threading

from temporalio import workflow
from typing_extensions import override

from .._errors import SynchronousCallError


class CancelSignal(threading.Event):
    """A cancel signal for agents in a workflow: `agent.invoke_async(..., cancel_signal=CancelSignal())`.

    It is a `threading.Event`, because the workflow sandbox refuses to create a plain `threading.Event`. Set
    it in a signal or update handler, or anywhere else in the workflow's code. Clear it before you use it
    again. Each agent in a workflow also has a cancel signal of its own: `agent.cancel()` sets that signal,
    and tools see it as `tool_context.cancel_signal`. To wait for a signal, write `await
    workflow.wait_condition(signal.is_set)`, which costs no timer.
    """

    @override
    def set(self) -> None:
        """Cancel. Do not call this from a query or an update's validator, because these do not replay.

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
        """Wait as `threading.Event.wait` does. In a workflow, return True if the signal is set, else raise.

        Raises:
            SynchronousCallError: In a workflow, if the signal is not set: waiting would block the workflow.
        """
        if workflow.in_workflow() and not self.is_set():
            raise SynchronousCallError(
                "signal.wait() would block the workflow. Write `await workflow.wait_condition(signal.is_set)`"
            )
        return super().wait(timeout)
