"""Ends the retries of a workflow task in which a plain tool computes for too long.

After two seconds Temporal interrupts a workflow task, discards its progress and retries it, with the same
tool call: the run would never end. A model chooses what a tool computes, so nobody can rule that out.

The worker's process remembers the call. The next attempt does not run the tool: the call fails, and a patch
marker records that in history for replays. The tool's progress before the interruption is lost.
"""

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from temporalio import workflow

from .._errors import SlowToolError
from .run_local import run_local

T = TypeVar("T")

LIMIT = 1.5
"""CPU seconds that one tool call may use in its thread. Time spent waiting for a busy core does not count."""

INTERRUPTED_AFTER = 2.0
"""Seconds after which temporalio has interrupted a workflow task; a tool may have swallowed that."""

ATTEMPTS = 3
"""How many attempts a call gets if it is interrupted before it has used `LIMIT` CPU seconds. In that case
earlier calls used up the time, or the machine is busy."""

REMEMBERED = 1000
"""How many calls a process remembers. A call that it has forgotten is tried once more, and then remembered
again."""


class SlowCalls:
    """The interrupted calls of all workers in this process."""

    def __init__(self) -> None:
        self._attempts: dict[tuple[str, int], int] = {}  # attempts left
        self._lock = threading.Lock()  # each workflow runs in its own thread

    def note(self, call: tuple[str, int], *, for_good: bool) -> None:
        """Record that a call was interrupted.

        Args:
            call: Run id and the call's number in the run.
            for_good: Whether the call must not be retried.
        """
        with self._lock:
            left = self._attempts.pop(call, ATTEMPTS) - 1
            self._attempts[call] = 0 if for_good else left
            while len(self._attempts) > REMEMBERED:
                del self._attempts[next(iter(self._attempts))]

    def is_given_up(self, call: tuple[str, int]) -> bool:
        """Tell whether a call must not be retried."""
        return self._attempts.get(call, ATTEMPTS) <= 0


_slow_calls = SlowCalls()


class _Numbers:
    """Numbers the calls of plain tools in a run, from 1."""

    def __init__(self) -> None:
        self.next = count(1)


def run_or_give_up(function: Callable[..., T], *args: object) -> T:
    """Call a plain tool, unless this call was given up in earlier attempts of the workflow task.

    Args:
        function: The tool.
        *args: Its arguments.

    Raises:
        SlowToolError: If the call is given up.
        Exception: Whatever the tool raises.
    """
    call = (workflow.info().run_id, next(run_local(_Numbers).next))
    replaying = workflow.unsafe.is_replaying()
    marker = f"strands-temporal-slow-tool-{call[1]}"
    if (replaying or _slow_calls.is_given_up(call)) and workflow.patched(marker):
        raise SlowToolError
    if replaying:
        return function(*args)
    computing, began, interrupted = time.thread_time(), time.perf_counter(), False
    try:
        return function(*args)
    except Exception:
        raise
    except BaseException:  # temporalio's interruption, unless the tool catches it
        interrupted = True
        raise
    finally:
        computed_too_long = time.thread_time() - computing >= LIMIT
        if computed_too_long or interrupted or time.perf_counter() - began >= INTERRUPTED_AFTER:
            _slow_calls.note(call, for_good=computed_too_long)
