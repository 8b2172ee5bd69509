"""Runs the notifiers of a workflow's pauses, beside the agents. Runs in the workflow."""

import asyncio
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Optional

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError
from temporalio.workflow import ActivityCancellationType

from strands_temporal import ActivityOptions
from strands_temporal.extension import HEARTBEATING_TOOL_DEFAULTS, execute_activity
from strands_temporal.workflow import AgentCancelledError

from ._ledger import Ledger
from ._notices import Setup, Told
from ._protocol import TELL_ACTIVITY
from ._state import Pause, Telling
from ._telling import NextNotice, next_notice, note_told

HEARTBEAT_TIMEOUT = HEARTBEATING_TOOL_DEFAULTS.get("heartbeat_timeout")
"""The same as for tools. With it a dead worker is noticed, and a running activity can be cancelled when the
wait ends."""

# It is retried as long as the agent waits, and is cancelled when the wait ends. So nobody misses a question
# because a worker or a receiver was down for a night.
NOTIFY_OPTIONS: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=30),
    "heartbeat_timeout": HEARTBEAT_TIMEOUT,
    "retry_policy": RetryPolicy(maximum_interval=timedelta(minutes=5)),
}

_DECIDED_FOR = timedelta(hours=1)
"""How long a notifier that cannot be reached is tried for a decision."""

AT_THE_END = timedelta(seconds=30)
"""How long a run waits at its end for notices of decisions, counted from the decision."""

_MOST_ENDED = 20
"""Pauses that are over and go to the next run of the workflow, for their notices. Older ones are dropped."""


class Tellers:
    """Runs the notifiers, one task for each notifier of each pause.

    Args:
        ledger: The questions and their records.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._of: dict[str, list[_Teller]] = {}  # by the pauses' notice ids
        self._ending: list[tuple[_Teller, datetime]] = []
        self._told_now: set[str] = set()  # notice ids of pauses that are over, whose tellers run

    def begin(self, pause: Pause, setup: Setup) -> None:
        """Start to tell of a pause. Goes on where an earlier run of the workflow stopped."""
        for name in setup.notifiers:
            if name in pause.told and name not in pause.tellings:  # an earlier release told it
                ids = [each.pending.id for each in pause.questions]
                pause.tellings[name] = Telling(asked=True, shown=ids)
        tellers = [
            _Teller(self._ledger, pause, name, tells_decisions=name in setup.tell_decisions)
            for name in setup.notifiers
        ]
        self._of[pause.notice_id] = tellers
        for teller in tellers:
            teller.begin()

    def go_on(self, setup: Setup) -> None:
        """Start to tell of the decisions of an earlier run."""
        for pause in list(self._ledger.state.ended):
            if pause.notice_id in self._told_now:
                continue
            known = [name for name in setup.tell_decisions if name in pause.tellings]
            tellers = [_Teller(self._ledger, pause, name, tells_decisions=True) for name in known]
            for teller in tellers:
                teller.begin()
            self._expect(pause, tellers)
            if not tellers:
                self._forget(pause)

    def end(self, pause: Pause) -> None:
        """Note that the wait for a pause has ended. Only notices of decisions go on."""
        tellers = self._of.pop(pause.notice_id, None)
        is_over = not self._ledger.is_open(pause)
        for teller in tellers or ():
            teller.stop(is_over=is_over)
        if not is_over:  # the next run tells the rest: it has to know what was told
            self._expect(pause, tellers or [])
            return
        last = [each for each in tellers or () if each.has_decisions_to_tell]
        # Without tellers it was decided between two runs: `go_on` tells of it.
        is_new = tellers is None and any(each.tells for each in pause.tellings.values())
        if (last or is_new) and all(each.notice_id != pause.notice_id for each in self._ledger.state.ended):
            self._ledger.state.ended.append(replace(pause, granted=[]))
            del self._ledger.state.ended[:-_MOST_ENDED]
        self._expect(pause, last)

    async def finish(self) -> None:
        """Wait until what was begun is told, at most half a minute from the decision on."""
        now = workflow.now()
        left = [(each, until) for each, until in self._ending if not each.done and until > now]
        self._ending = left
        if not left:
            return
        until = max(until for _, until in left)
        try:
            await workflow.wait_condition(
                lambda: all(each.done for each, _ in left),
                timeout=until - now,
                timeout_summary="end of the wait for notices of decisions",
            )
        except asyncio.TimeoutError:
            names = sorted({each.name for each, _ in left if not each.done})
            workflow.logger.warning("notifiers=<%s> | not told of decisions in time", names)
        self._ending = []

    def _expect(self, pause: Pause, tellers: "list[_Teller]") -> None:
        """Let `finish` wait for tellers, and forget their pause when they have told all."""
        if not tellers:
            return
        self._ending += [(each, workflow.now() + AT_THE_END) for each in tellers]
        self._told_now.add(pause.notice_id)

        def forget(_: object) -> None:
            if all(each.done for each in tellers):
                self._forget(pause)

        for each in tellers:
            each.when_done(forget)

    def _forget(self, pause: Pause) -> None:
        self._told_now.discard(pause.notice_id)
        ended = self._ledger.state.ended
        ended[:] = [each for each in ended if each.notice_id != pause.notice_id]


class _Teller:
    """Tells one notifier of one pause, one notice after the other."""

    def __init__(self, ledger: Ledger, pause: Pause, name: str, *, tells_decisions: bool) -> None:
        self.name = name
        self._ledger = ledger
        self._pause = pause
        self._telling = pause.tellings.setdefault(name, Telling())
        self._telling.tells = tells_decisions
        self._leaves = False
        self._sends: NextNotice | None = None
        self._stop = threading.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def done(self) -> bool:
        """Whether it has told all, or has stopped."""
        return self._task is None or self._task.done()

    @property
    def has_decisions_to_tell(self) -> bool:
        """Whether it still has to tell of decisions, or may have to: its notice is on the way."""
        return self._telling.tells and not self.done and (self._sends is not None or self._next() is not None)

    def begin(self) -> None:
        """Start the task."""
        self._task = asyncio.create_task(self._run())

    def when_done(self, call: Any) -> None:
        """Call a function when the task has ended."""
        if self._task is not None:
            self._task.add_done_callback(call)

    def stop(self, *, is_over: bool) -> None:
        """Stop waiting for people's sake: the pause is over, or another run goes on with it."""
        self._leaves = not is_over
        if self._sends is not None and (self._leaves or self._sends.kind != "decided"):
            self._stop.set()  # the worker ends an attempt that it has begun, and begins no other

    async def _run(self) -> None:
        while not self._leaves:
            notice = self._next()
            if notice is not None:
                await self._send(notice)
            elif not self._ledger.is_open(self._pause):
                return
            else:
                await workflow.wait_condition(self._has_news)

    def _has_news(self) -> bool:
        return self._leaves or not self._ledger.is_open(self._pause) or self._next() is not None

    def _next(self) -> NextNotice | None:
        return next_notice(self._pause, self._telling, self._ledger.answer_to)

    async def _send(self, notice: NextNotice) -> None:
        self._sends, self._stop = notice, threading.Event()
        options: ActivityOptions = {
            **NOTIFY_OPTIONS,
            "summary": self.name if notice.kind == "asked" else f"{self.name}: {notice.kind}",
            "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        }
        if notice.kind == "decided":
            options["schedule_to_close_timeout"] = _DECIDED_FOR
        told: Told | None = None
        failed = ""
        try:
            told = await execute_activity(
                TELL_ACTIVITY,
                notice.arguments(self.name, self._telling),
                options,
                result_type=Optional[Told],  # pyright: ignore[reportArgumentType]  # noqa: UP045  # no class
                cancel_signal=self._stop,
            )
        except AgentCancelledError:  # nobody was told: it was between two attempts, or did not end in time
            self._sends = None
            return
        except FailureError as error:  # the question still waits
            if self._leaves:  # its last attempt failed when this run stopped it: the next run tries again
                self._sends = None
                return
            failed = str(error.cause or error)
            workflow.logger.warning("notifier=<%s>, error=<%s> | nobody was notified", self.name, error)
        self._sends = None
        note_told(self._telling, notice, told, delivered=not failed)
        to = told.to if told else []
        ids = [each.pending.id for each in notice.questions]
        now = workflow.now()
        self._ledger.told(self._pause.notice_id, ids, self.name, notice.kind, to, now, failed)
        if notice.kind == "asked":
            self._pause.told.append(self.name)
