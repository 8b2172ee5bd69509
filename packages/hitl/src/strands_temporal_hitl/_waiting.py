"""The wait of a paused turn: until people decide, the deadline passes, or the turn is stopped."""

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from strands import Agent
from strands.multiagent import MultiAgentBase
from temporalio import workflow

from ._announcing import Announcer
from ._errors import ApprovalExpiredError
from ._ledger import Ledger
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
        self._announcer = Announcer(ledger)

    async def wait(
        self, pause: Pause, stop_waiting_when: Callable[[], bool] | None, stop: Callable[[], bool]
    ) -> None:
        """Wait until a pause is decided, the agent is stopped, or `stop_waiting_when` is true.

        Raises:
            ApprovalExpiredError: If nobody decided a question in time, at whose deadline the run is to fail.
        """

        def over() -> bool:
            wanted = stop_waiting_when is not None and stop_waiting_when()
            return wanted or stop() or not self._ledger.is_open(pause)

        self._pass_time(pause, workflow.now())  # what came between two runs of the workflow
        if not over():
            announcing = asyncio.create_task(self._announcer.announce(pause))
            # Not `finally`: a worker that evicts a workflow closes this coroutine outside of the workflow.
            try:
                while not over():
                    await self._wait_until_next(pause, over)
            except (asyncio.CancelledError, Exception):
                announcing.cancel()
                self.withdraw(pause)
                raise
            announcing.cancel()
            await workflow.wait([announcing])
            if not announcing.cancelled():
                announcing.result()
        if self._ledger.is_open(pause) and stop():
            self._ledger.close(pause, "withdrawn", _STOPPED, workflow.now())
        self._announcer.tellers.end(pause)
        self._announcer.go_on()
        self._unmark_unless_pending()
        if failed := self._ledger.failed(pause):
            self._ledger.settle(pause)
            raise ApprovalExpiredError(failed)

    def withdraw(self, pause: Pause) -> None:
        """Withdraw the questions of a pause, because the run was cancelled."""
        self._ledger.close(pause, "withdrawn", "The agent's run was cancelled", workflow.now())
        self._announcer.tellers.end(pause)
        self._ledger.settle(pause)
        self._unmark_unless_pending()

    def go_on(self) -> None:
        """Start to tell of decisions that an earlier run of the workflow could not tell any more."""
        self._announcer.go_on()

    async def finish(self) -> None:
        """Wait until notifiers are told of the decisions, for a bounded time."""
        await self._announcer.finish()

    async def _wait_until_next(self, pause: Pause, over: Callable[[], bool]) -> None:
        """Wait until the pause is over, or its next deadline or reminder comes."""
        due = self._ledger.next_due(pause)
        left = None if due is None else max(due.at - workflow.now(), timedelta(0))
        summary = None if due is None else timer_summary(due)
        try:
            await workflow.wait_condition(over, timeout=left, timeout_summary=summary)
        except asyncio.TimeoutError:
            if due is not None:
                self._pass_time(pause, max(due.at, workflow.now()))

    def _pass_time(self, pause: Pause, until: datetime) -> None:
        self._ledger.pass_time(pause, until, workflow.now())
        self._operators.decided()

    def _unmark_unless_pending(self) -> None:
        self._operators.decided()
        if not self._ledger.pending:
            self._announcer.unmark()


def stop_of(agent: Agent | MultiAgentBase, signal: threading.Event | None) -> Callable[[], bool]:
    """Return a function that tells whether the agent was stopped."""
    signals = [each for each in (signal, getattr(agent, "cancel_signal", None)) if each is not None]

    def stopped() -> bool:
        return any(each.is_set() for each in signals) and workflow.patched(STOPS_THE_WAIT)

    return stopped
