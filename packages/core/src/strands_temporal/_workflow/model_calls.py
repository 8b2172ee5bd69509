"""Starts a model call's activity. Starts it again if the last attempt ended for a reason outside the model.

A worker's shutdown and an operator's pause or reset use up an attempt. With few attempts (a router gives each
candidate only one) such an end would count as the model's failure.
"""

from datetime import datetime
from threading import Event
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, RetryState

from .._wire.failures import from_activity_error
from .._wire.model_call import MADE_ANEW_PATCH
from .activities import execute_activity
from .options import ActivityOptions

CUT_SHORT = frozenset({"ActivityPause", "ActivityReset", "WorkerShutdown"})
"""Temporal's failure types for attempts that were cut short (1.35: worker/_activity.py, and its core)."""

_AT_MOST = 10  # repetitions of a call: every run ends, however often workers are replaced


class _CutShortError(Exception):
    """The last attempt was cut short."""

    def __init__(self, error: ActivityError) -> None:
        super().__init__()
        self.error = error


async def call_model(
    activity: str,
    args: list[Any],
    options: ActivityOptions,
    *,
    result_type: type[Any] | None = None,
    cancel_signal: Event | None = None,
) -> Any:
    """Run a model's activity as `execute_activity` does. Repeat it if its last attempt was cut short."""
    began, left = workflow.now(), _AT_MOST
    while True:
        try:
            return await execute_activity(
                activity,
                args,
                _with_time_left(options, began),
                result_type=result_type,
                restore=_restore,
                cancel_signal=cancel_signal,
            )
        except _CutShortError as cut:  # noqa: PERF203  # a try for each activity
            # Older releases treated a cut-short attempt as the model's failure. Their histories must replay.
            if not left or not _has_time(options, began) or not workflow.patched(MADE_ANEW_PATCH):
                raise from_activity_error(cut.error)  # noqa: B904  # it sets the cause itself
            left -= 1
            workflow.logger.info(
                "activity=<%s> | cut short by a worker or an operator; calling again", activity
            )


def _restore(error: ActivityError) -> Exception:
    cause = error.cause
    if (
        error.retry_state == RetryState.MAXIMUM_ATTEMPTS_REACHED
        and isinstance(cause, ApplicationError)
        and cause.type in CUT_SHORT
    ):
        return _CutShortError(error)
    return from_activity_error(error)


def _has_time(options: ActivityOptions, began: datetime) -> bool:
    limit = options.get("schedule_to_close_timeout")
    return limit is None or workflow.now() < began + limit


def _with_time_left(options: ActivityOptions, began: datetime) -> ActivityOptions:
    """Return the options, with `schedule_to_close_timeout` less the time that the call has taken so far."""
    limit = options.get("schedule_to_close_timeout")
    if limit is None:
        return options
    return cast("ActivityOptions", {**options, "schedule_to_close_timeout": began + limit - workflow.now()})
