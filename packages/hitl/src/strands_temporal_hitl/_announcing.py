"""Makes a pause known while it lasts, by the search attribute and the worker's notifiers."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from strands_temporal import ActivityOptions
from strands_temporal.extension import execute_activity

from ._ledger import Ledger
from ._notices import Setup
from ._protocol import IS_PENDING, NOTIFY_ACTIVITY, PENDING, SETUP_ACTIVITY
from ._shown import shown
from ._state import Pause
from ._tellers import AT_THE_END, HEARTBEAT_TIMEOUT, NOTIFY_OPTIONS, Tellers
from ._types import PendingApproval

_NO_PLUGIN = "NotFoundError"
"""Type of Temporal's failure when a worker does not have an activity."""

# It is retried as long as the agent waits, and is cancelled when the wait ends.
_SETUP_OPTIONS: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=30),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(
        maximum_interval=timedelta(minutes=1), non_retryable_error_types=[_NO_PLUGIN]
    ),
    "summary": "what the worker offers approvals",
}


class Announcer:
    """Makes one workflow's pauses known. Runs in the workflow.

    Args:
        ledger: The questions and their records.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._setup: asyncio.Task[Setup] | None = None
        self._going_on: asyncio.Task[None] | None = None
        # A run that continues as new while a question waits passes the attribute on to the next run.
        self._marked = PENDING in workflow.info().typed_search_attributes
        self.tellers = Tellers(ledger)

    async def announce(self, pause: Pause) -> None:
        """Set the search attribute, and run each notifier that has not finished for this pause.

        The caller cancels it when the wait ends. If the worker knows all kinds of notices, the notifiers run
        beside it (`Tellers`).
        """
        setup = await self._get_setup()
        if setup.search_attribute and not self._marked:
            self._marked = True
            workflow.upsert_search_attributes([PENDING.value_set(IS_PENDING)])
        if setup.kinds:
            self.tellers.begin(pause, setup)
            return

        async def tell(name: str) -> None:
            if waiting := shown(self._ledger.still_open(pause)):
                failed = await _notify(name, waiting, pause.notice_id)
                ids = [each.id for each in waiting]
                self._ledger.told(pause.notice_id, ids, name, "asked", [], workflow.now(), failed)
            pause.told.append(name)

        await asyncio.gather(*(tell(name) for name in setup.notifiers if name not in pause.told))

    def go_on(self) -> None:
        """Start to tell of decisions that an earlier run of the workflow could not tell any more."""
        if self._ledger.state.ended and (self._going_on is None or self._going_on.done()):
            self._going_on = asyncio.create_task(self._go_on())

    async def _go_on(self) -> None:
        self.tellers.go_on(await self._get_setup())

    async def finish(self) -> None:
        """Wait until notifiers are told of the decisions, for a bounded time."""
        if self._going_on is not None and not self._going_on.done():
            await workflow.wait([self._going_on], timeout=AT_THE_END.total_seconds())
        await self.tellers.finish()

    def unmark(self) -> None:
        """Unset the search attribute, because no question waits now."""
        if self._marked:
            self._marked = False
            workflow.upsert_search_attributes([PENDING.value_unset()])

    async def _get_setup(self) -> Setup:
        """Return the workers' setup for approvals. They are asked once, and history keeps the answer.

        The task that asks is not cancelled when the pause ends. A worker that takes over may see a decision
        and this answer in a different order from the previous worker, and must still continue in the same
        way.
        """
        if self._setup is None:
            self._setup = asyncio.create_task(_ask_worker())
        return await asyncio.shield(self._setup)


async def _ask_worker() -> Setup:
    try:
        return await execute_activity(SETUP_ACTIVITY, [], _SETUP_OPTIONS, result_type=Setup)
    except FailureError as error:
        workflow.logger.warning(
            "error=<%s> | no HITLPlugin on this workflow's worker: nobody is notified, and its approvals are "
            "found by workflow type only",
            error,
        )
        return Setup()


async def _notify(name: str, waiting: list[PendingApproval], notice_id: str) -> str:
    """Run a notifier. Return why it failed, or nothing."""
    try:
        await execute_activity(
            NOTIFY_ACTIVITY, [name, waiting, notice_id], {**NOTIFY_OPTIONS, "summary": name}
        )
    except FailureError as error:  # the question still waits
        workflow.logger.warning("notifier=<%s>, error=<%s> | nobody was notified", name, error)
        return str(error.cause or error)
    return ""
