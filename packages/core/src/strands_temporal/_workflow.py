"""Activities as the agent loop in a workflow sees them: one place where they are started and awaited."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from temporalio import workflow
from temporalio.exceptions import ActivityError, CancelledError

from ._errors import from_activity_error
from ._options import ActivityOptions


async def execute_activity(
    activity: str | Callable[..., Any],
    args: Sequence[Any],
    options: ActivityOptions,
    *,
    result_type: type[Any] | None = None,
    restore: Callable[[ActivityError], Exception] = from_activity_error,
) -> Any:
    """Run an activity and return its result, errors restored for Strands. Runs in the workflow.

    Args:
        activity: Activity type, or a function decorated with `@activity.defn`.
        args: Positional arguments.
        options: Merged and checked options (see `_options.py`).
        result_type: Type of the result, where `activity` is a name.
        restore: Turns the activity's failure into what Strands should see.

    Raises:
        asyncio.CancelledError: If the activity was cancelled. Temporal raises an ordinary exception for that,
        which
            Strands' tool executors would take for a failed tool and go on.
        Exception: What `restore` makes of a failed activity.
    """
    try:
        # The overloads of temporalio know a name or a function, not either.
        return await workflow.execute_activity(
            cast("str", activity), args=args, result_type=result_type, **options
        )
    except ActivityError as error:
        if isinstance(error.cause, CancelledError):
            raise asyncio.CancelledError from error
        raise restore(error)  # noqa: B904  # `restore` sets the cause itself
