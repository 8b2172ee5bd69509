"""Has the worker watch the activities of a workflow that wait on other task queues."""

import contextlib
from collections.abc import Generator
from itertools import count
from typing import Protocol

from temporalio import workflow

from .._errors import coded
from .._upstream.run_local import run_local
from .._upstream.teardown import is_torn_down
from .._wire.waiting_activity import WaitingActivity
from .current_details import set_details_line
from .options import ActivityOptions

_SHOWN = 10  # activities in the current details


class Watch(Protocol):
    """The worker's `QueueWatch`, with the worker's client."""

    def begin(self, activity: WaitingActivity) -> None:
        """Watch an activity."""

    def end(self, activity: WaitingActivity) -> None:
        """Stop watching it."""

    def has_warned(self, activity: WaitingActivity) -> bool:
        """Tell whether no worker polled its task queue at the last check."""
        ...


class _Watched:
    """Numbers the watched activities of a run, from 1.

    Attributes:
        watch: The worker's watch; None in a Replayer.
        waiting: The activities that wait now.
    """

    def __init__(self) -> None:
        self.watch: Watch | None = None
        self.next = count(1)
        self.waiting: dict[WaitingActivity, None] = {}

    def details(self) -> str | None:
        """Return the activities that no worker takes, for the workflow's current details."""
        watch = self.watch
        lines = [
            coded(
                "ST203",
                f"**no worker polls the task queue {activity.task_queue!r}**: {activity.name} waits for one",
            )
            for activity in list(self.waiting)
            if watch is not None and watch.has_warned(activity)
        ][:_SHOWN]
        return "\n\n".join(lines) or None


def use_watch(watch: Watch | None) -> None:
    """Set the watch of the running workflow."""
    run_local(_Watched).watch = watch


@contextlib.contextmanager
def watched(name: str, options: ActivityOptions) -> Generator[None]:
    """Have the worker watch an activity while the block waits for it, if it is on another task queue.

    An eviction of the workflow does not end the watch: the activity still waits.
    """
    queue = options.get("task_queue")
    if queue is None:  # most activities
        yield
        return
    info, run = workflow.info(), run_local(_Watched)
    if run.watch is None or queue == info.task_queue:
        yield
        return
    activity = WaitingActivity(name, queue, info.workflow_id, info.run_id, next(run.next))
    run.waiting[activity] = None
    set_details_line("task queues", run.details)
    run.watch.begin(activity)  # in a replay too: its worker may be new
    try:
        yield
    finally:
        if not is_torn_down():
            del run.waiting[activity]
            run.watch.end(activity)
