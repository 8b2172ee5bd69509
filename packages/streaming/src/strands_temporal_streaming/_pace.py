"""Decides how often a reader polls, and how long it waits for a server or workers that do not answer."""

import asyncio
import random
import time
from collections.abc import Sequence

from ._log import Run
from ._tails import Tail

_FIRST_RETRY, _LONGEST_RETRY = 0.05, 1.0  # seconds

_LONGEST_PAUSE = 0.5
"""Seconds between two polls of a workflow that has had no output for a long time."""

_LONGEST_WHILE_WOKEN = 1.0
"""The same during a model call whose pieces, and end, come over another transport and wake the reader."""

_PAUSE_PER_POLL = 3
"""Then a pause is at least this many times as long as the poll before it took, for a server that is slow."""

COOLDOWN, _SHORTEST_COOLDOWN = 0.05, 0.01
"""Seconds between two polls while there is output, if the reader does not choose."""

_THINKING = 10.0
"""Seconds of a model call without output in which a reader keeps polling as often as during output."""

_PAUSE_PER_SILENCE, _PAUSE_WHILE_WOKEN = 0.1, 1.0
_LONGEST_DEFERRAL = 0.3  # seconds
_LONGEST_TASK = 10.0
"""Seconds that a reader waits for the end of one workflow task: as long as Temporal does by default. A query
before the end would only wait too, and one that a busy worker answers too late costs it a replay."""


class Outage:
    """Tracks how long the server or the workers have not answered, and how long to wait before a retry."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self._delay = _FIRST_RETRY

    def ends(self) -> None:
        """Record an answer."""
        self._since, self._delay = None, _FIRST_RETRY

    def should_retry(self) -> bool:
        """Record that there was no answer, and return whether to retry."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        return now - self._since <= self._patience

    async def wait(self) -> None:
        """Wait, longer each time. Jitter keeps readers that failed together from retrying together."""
        await asyncio.sleep(self._delay * random.uniform(0.5, 1.5))  # noqa: S311  # no secret
        self._delay = min(2 * self._delay, _LONGEST_RETRY)


class Pace:
    """Decides how often to poll.

    The pause is a tenth of the time without output, at most half a second: new output arrives soon, and a
    workflow that waits for days is not polled all the time. The pause is at least as long as a poll takes, so
    that many readers do not overload the server and the workers.
    """

    def __init__(self, cooldown: float | None) -> None:
        self._chosen = cooldown
        self._cooldown = COOLDOWN if cooldown is None else cooldown
        self._began_at = self._heard_at = time.monotonic()
        self._deferred_at: float | None = None
        self._task = ""
        self.pause = 0.0  # the first poll uses no cached answer

    def begin(self, *, is_asked: bool) -> float:
        """Begin a poll, which a piece of a call may have asked for. Return how old its answer may be."""
        self._began_at = time.monotonic()
        if is_asked:
            self._heard_at = self._began_at
        return self.pause

    def allows(self, run: Run) -> bool:
        """Record that something has changed, and return whether to ask a worker now.

        During a workflow task the answer is no: the stream does not have the task's items yet, and the server
        lets only one query wait for the end of the task. If the task takes long, or one follows the other,
        the answer is yes after all.
        """
        self._heard_at = time.monotonic()
        if not run.is_at_work:
            self._deferred_at, self._task = None, ""
            return True
        if self._deferred_at is None:
            self._deferred_at = self._heard_at
        is_one_task, self._task = bool(run.task) and self._task in ("", run.task), run.task
        longest = _LONGEST_TASK if is_one_task else _LONGEST_DEFERRAL
        return self._heard_at - self._deferred_at > longest

    def hears(self, tails: Sequence[Tail]) -> None:
        """Record new tails. They tell how soon the next ones come."""
        self._heard_at = time.monotonic()
        if tails and self._chosen is None:
            soonest = min(tail.every for tail in tails) / 1000
            self._cooldown = min(COOLDOWN, max(soonest / 2, _SHORTEST_COOLDOWN))

    def end(self, *, is_calling: bool, is_woken: bool) -> None:
        """End a poll, and choose the next pause.

        Args:
            is_calling: Whether a model call runs.
            is_woken: Whether its end, and each new call, wakes the reader (`poke`).
        """
        now = time.monotonic()
        silence, taken, longest = now - self._heard_at, now - self._began_at, _LONGEST_PAUSE
        wanted = _PAUSE_PER_SILENCE * silence
        if is_calling and is_woken:
            wanted = _PAUSE_WHILE_WOKEN * silence
            taken, longest, is_calling = _PAUSE_PER_POLL * taken, _LONGEST_WHILE_WOKEN, False
        if is_calling and silence < _THINKING:
            wanted = min(wanted, COOLDOWN / 2)  # the first words may come at any moment
        if self._deferred_at is not None:  # the workflow task ends soon
            wanted = max(_SHORTEST_COOLDOWN, _PAUSE_PER_SILENCE * (now - self._deferred_at))
        soonest = self._cooldown
        if self._chosen is None and (is_calling or self._deferred_at is not None):
            soonest = min(wanted, self._cooldown)
        self.pause = max(soonest, min(max(wanted, taken), longest))
