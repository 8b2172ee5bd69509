"""Wraps an activity in a hook callback."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from strands.hooks import BaseHookEvent, HookCallback
from typing_extensions import Unpack

from .._errors import AgentTypeError
from .._upstream.teardown import check_not_torn_down
from .activities import check_activity, execute_activity, name_of
from .options import ActivityOptions, merge_options, tool_defaults
from .summaries import hook_summary

TEvent = TypeVar("TEvent", bound=BaseHookEvent)


def activity_as_hook(
    activity: Callable[..., Any],
    *,
    activity_input: Callable[[TEvent], Any] | None = None,
    apply: Callable[[TEvent, Any], Any] | None = None,
    **options: Unpack[ActivityOptions],
) -> HookCallback[TEvent]:
    """Return a hook callback that runs `activity` on a worker.

    The agent waits for the activity. If the activity fails after its last attempt, the callback raises: the
    run of a `TemporalAgent` ends, and a step that a `Before...` hook guards does not happen. Register the
    activity on the Worker.

    Args:
        activity: A function or method decorated with `temporalio.activity.defn`.
        activity_input: Makes the activity's one argument from the event, because the event cannot be sent to
            an activity. Use a dataclass or a Pydantic model for several values. Runs in the workflow, so it
            must be deterministic. None calls the activity without an argument.
        apply: Gets the event and the activity's result, and writes to the event: `cancel_tool`, `result`,
            `retry`, ... Runs in the workflow; may be async.
        **options: Activity options: the keys of `temporalio.workflow.ActivityConfig` without `activity_id`.
            By default the activity may take 1 minute and is tried 3 times. On the workflow's own task queue
            it also has a heartbeat timeout of 15 seconds, and the worker heartbeats automatically.

    Raises:
        AgentTypeError: If `activity` is not an activity, `activity_input` or `apply` is not callable, or an
            option is unknown or of a wrong type.
        AgentValueError: If an option has a value that cannot work.
    """
    check_activity("activity_as_hook", activity)
    owner = f"activity_as_hook({name_of(activity)})"
    _check_callback(owner, "activity_input", activity_input, "lambda event: event.tool_use['name']")
    _check_callback(owner, "apply", apply, "lambda event, result: setattr(event, 'cancel_tool', result)")
    merged = merge_options(owner, tool_defaults(options), options)

    async def callback(event: TEvent) -> None:
        check_not_torn_down()  # before we call the user's function
        args = [] if activity_input is None else [activity_input(event)]
        result = await execute_activity(activity, args, {"summary": hook_summary(event), **merged}, hook=True)
        applied = None if apply is None else apply(event, result)
        if inspect.isawaitable(applied):
            await applied

    return callback


def _check_callback(owner: str, name: str, callback: object, example: str) -> None:
    if callback is not None and not callable(callback):
        raise AgentTypeError(
            f"{owner}: {name}={callback!r} cannot be called. Give a function that takes the event, for "
            f"example `{example}`"
        )
