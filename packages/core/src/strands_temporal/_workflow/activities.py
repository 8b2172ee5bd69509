"""Activities as the agent loop in a workflow sees them: one place where they are started and awaited."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ActivityError, CancelledError

from .._errors import from_activity_error
from .._upstream.cancel_signal import AgentCancelledError, ended
from .._upstream.install import activity_name
from .._upstream.sync_calls import check_may_wait
from .._upstream.teardown import check_not_torn_down
from .._wire.model_call import HOOK_HEADER, TOOL_HEADER
from .gate import Gate
from .idempotency import hook_header, with_headers
from .options import ActivityOptions


def check_in_workflow(activity: str) -> None:
    """Refuse to start an activity outside of a workflow.

    Raises:
        RuntimeError: Outside of a workflow.
    """
    if not workflow.in_workflow():
        raise RuntimeError(
            f"The activity {activity!r} can be started inside a Temporal workflow only. Outside, call the "
            "function itself, or give an agent without Temporal the tool itself"
        )


async def execute_activity(
    activity: str | Callable[..., Any],
    args: Sequence[Any],
    options: ActivityOptions,
    *,
    result_type: type[Any] | None = None,
    restore: Callable[[ActivityError], Exception] = from_activity_error,
    cancel_signal: threading.Event | None = None,
    tool_header: Payload | None = None,
    hook: bool = False,
    headers: Mapping[str, Payload] | None = None,
) -> Any:
    """Run an activity and return its result, errors restored for Strands. Runs in the workflow.

    Args:
        activity: Activity type, or a function decorated with `@activity.defn`.
        args: Positional arguments.
        options: Merged and checked options (see `_options.py`).
        result_type: Type of the result, where `activity` is a name.
        restore: Turns the activity's failure into what Strands should see.
        cancel_signal: Set, it cancels the activity; set before, the activity is not started. For a tool
            `tool_context.cancel_signal`.
        tool_header: Tells the worker that the activity answers a tool call (see `_idempotency.py`).
        hook: Tell the worker that the activity runs in a hook's place.
        headers: Further headers of the activity.

    Where agents start more at once than one request to the server may have, the rest starts in the next
    workflow task.

    Raises:
        PayloadTooLargeError: If the input is larger than Temporal takes. Nothing is started.
        asyncio.CancelledError: If the activity was cancelled with the workflow. Temporal raises an ordinary
            exception for that, which Strands' tool executors would take for a failed tool and go on. Also if
            the workflow is being evicted.
        GeneratorExit: In a garbage collection, which must not start anything.
        RuntimeError: Outside of a workflow.
        SynchronousCallError: Below a synchronous call of Strands, such as `agent.tool.name()`.
        AgentCancelledError: If `cancel_signal` was set and the activity gave no result.
        Exception: What `restore` makes of a failed activity.
    """
    name = activity if isinstance(activity, str) else activity_name(activity) or activity.__name__
    check_not_torn_down()
    check_in_workflow(name)
    check_may_wait(f"the activity {name!r}")
    if cancel_signal is not None and cancel_signal.is_set():
        raise AgentCancelledError
    own = dict(headers or {})
    if tool_header:
        own[TOOL_HEADER] = tool_header
    if hook:
        own[HOOK_HEADER] = hook_header()
    await Gate.of_this_run().enter(f"Activity {name!r}", args)
    # The overloads of temporalio know a name or a function, not either.
    with with_headers(own):
        handle = workflow.start_activity(cast("str", activity), args=args, result_type=result_type, **options)
    by_signal = await ended(handle, cancel_signal)
    try:
        return handle.result()
    except (ActivityError, asyncio.CancelledError) as error:
        if by_signal:
            raise AgentCancelledError from error
        if isinstance(error, asyncio.CancelledError):
            raise
        if isinstance(error.cause, CancelledError):
            raise asyncio.CancelledError from error
        raise restore(error)  # noqa: B904  # `restore` sets the cause itself
