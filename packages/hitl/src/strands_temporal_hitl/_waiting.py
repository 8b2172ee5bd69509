"""The wait of a paused turn: until people decide, the deadline passes, or the turn is stopped."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta

from strands import Agent
from strands.multiagent import MultiAgentBase
from temporalio import workflow

from ._announcing import Announcer
from ._ledger import NO_DECISION, Ledger
from ._operators import OperatorView, timer_summary
from ._state import Pause

STOPS_THE_WAIT = "strands-temporal-hitl-stops-the-wait"
"""Patch id. In histories without it, stopping the agent did not end the wait for people."""

_STOPPED = "The agent was stopped"


class WaitingForPeople:
    """Announces pauses and waits for their decisions.

    Args:
        ledger: The questions and their records.
        operators: The questions as operators see them.
    """

    def __init__(self, ledger: Ledger, operators: OperatorView) -> None:
        self._ledger = ledger
        self._operators = operators
        self._announcer = Announcer()

    async def wait(
        self, pause: Pause, stop_waiting_when: Callable[[], bool] | None, stop: Callable[[], bool]
    ) -> None:
        """Wait until a pause is decided, the agent is stopped, or `stop_waiting_when` is true."""

        def over() -> bool:
            wanted = stop_waiting_when is not None and stop_waiting_when()
            return wanted or stop() or not self._ledger.is_open(pause)

        left = None if pause.deadline is None else pause.deadline - workflow.now()
        if left is not None and left <= timedelta(0):  # it passed between two runs of the workflow
            self._expire(pause)
        if not over():
            announcing = asyncio.create_task(self._announcer.announce(pause, self._ledger.still_open))
            # Not `finally`: a worker that evicts a workflow closes this coroutine outside of the workflow.
            try:
                await workflow.wait_condition(over, timeout=left, timeout_summary=timer_summary(pause))
            except asyncio.TimeoutError:
                self._expire(pause)
            except (asyncio.CancelledError, Exception):
                announcing.cancel()
                self._ledger.close(pause, "withdrawn", "The agent's run was cancelled", workflow.now())
                self._ledger.settle(pause)
                self._unmark_unless_pending()
                raise
            announcing.cancel()
            await workflow.wait([announcing])
            if not announcing.cancelled():
                announcing.result()
        if self._ledger.is_open(pause) and stop():
            self._ledger.close(pause, "withdrawn", _STOPPED, workflow.now())
        self._unmark_unless_pending()

    def _unmark_unless_pending(self) -> None:
        self._operators.decided()
        if not self._ledger.pending:
            self._announcer.unmark()

    def _expire(self, pause: Pause) -> None:
        self._ledger.close(pause, "expired", NO_DECISION, workflow.now())


def stop_of(agent: Agent | MultiAgentBase, signal: threading.Event | None) -> Callable[[], bool]:
    """Return a function that tells whether the agent was stopped."""
    signals = [each for each in (signal, getattr(agent, "cancel_signal", None)) if each is not None]

    def stopped() -> bool:
        return any(each.is_set() for each in signals) and workflow.patched(STOPS_THE_WAIT)

    return stopped
