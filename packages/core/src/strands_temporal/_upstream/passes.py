"""Tells a live pass of a workflow's code from a replay, from a preview and from an eviction.

A preview runs the code of a workflow task that no worker has completed yet, and its results are dropped. It
happens when temporalio answers a query, and in a Replayer with the history of a run in progress. temporalio
(1.35) does not report it as a replay, and its clock shows the time of the previous task: see
docs/determinism.md. The worker that gets the task runs the code once more.
"""

import threading
from typing import Any

from temporalio import workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivation  # of a public method's parameter
from temporalio.worker import WorkflowInstance


class _Thread(threading.local):
    """What this thread does.

    Attributes:
        preview: Whether it runs a preview.
        evicts: Whether it evicts a workflow. None if it runs no workflow, or one of a worker that does not
            note it.
    """

    preview = False
    evicts: bool | None = None


_thread = _Thread()


def is_live() -> bool:
    """Tell whether this pass of the workflow code is neither a replay nor a preview.

    A query handler and an update's validator are live.
    """
    return not workflow.unsafe.is_replaying_history_events() and not _thread.preview


def is_eviction() -> bool | None:
    """Tell whether this thread evicts a workflow; None if it is not known."""
    return _thread.evicts


def evicts(activation: WorkflowActivation) -> bool:
    """Tell whether an activation evicts its workflow."""
    for job in activation.jobs:  # noqa: SIM110  # quicker than `any`, and each activation asks
        if job.HasField("remove_from_cache"):
            return True
    return False


def note_passes(instance: WorkflowInstance) -> None:
    """Make each activation of `instance` record in its thread whether it is a preview or an eviction."""
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
        _thread.evicts = evicts(activation)
        try:
            return activate(activation)
        finally:
            _thread.preview, _thread.evicts = False, None

    setattr(instance, "activate", activate_and_note)  # noqa: B010  # typed as a method
