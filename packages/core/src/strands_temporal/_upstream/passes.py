"""Tells which pass of a workflow's code is the one that counts.

To answer a query, and in a Replayer with the history of a run in progress, temporalio runs the code for all
events that there are, also for a task that no worker has completed. It does not call that a replay (1.35),
and the clock stands at the task before: see docs/determinism.md. We call such a pass a preview. The worker
that gets the task runs the code once more.
"""

import threading
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation  # of a public method's parameter
from temporalio.worker import WorkflowInstance


class _Thread(threading.local):
    """Whether this thread runs a preview."""

    preview = False


_thread = _Thread()


def is_live() -> bool:
    """Tell whether the running workflow code does its work now, for the only time.

    A query handler and an update's validator are live.
    """
    return not workflow.unsafe.is_replaying_history_events() and not _thread.preview


def note_previews(instance: WorkflowInstance) -> None:
    """Have each activation of `instance` note in its thread whether it is a preview."""
    activate = instance.activate
    replayed = previewed = (-1, -1)

    def activate_and_note(activation: WorkflowActivation) -> Any:
        nonlocal replayed, previewed
        at = (activation.timestamp.seconds, activation.timestamp.nanos)
        if activation.is_replaying:
            replayed = at
        elif at == replayed:  # a task has a time of its own
            previewed = at
        _thread.preview = at == previewed
        try:
            return activate(activation)
        finally:
            _thread.preview = False

    setattr(instance, "activate", activate_and_note)  # noqa: B010  # typed as a method
