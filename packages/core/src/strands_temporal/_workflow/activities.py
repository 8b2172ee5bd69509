"""Starts and awaits all activities of agents."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    RetryState,
    TimeoutType,
)
from temporalio.exceptions import TimeoutError as ActivityTimeoutError

from .._errors import ActivityNotRegisteredError, AgentCancelledError, AgentTypeError, coded
from .._upstream.private_api import activity_name
from .._upstream.run_local import run_local
from .._upstream.sync_calls import may_wait
from .._upstream.teardown import check_not_torn_down
from .._wire.a2a import A2A_ACTIVITY
from .._wire.failures import from_activity_error
from .._wire.harness_code import CODE_ACTIVITY
from .._wire.memory_stores import MEMORY_ACTIVITIES
from .._wire.model_call import (
    COUNT_TOKENS_ACTIVITY,
    DESCRIBE_MODEL_ACTIVITY,
    MODEL_ACTIVITY,
    STREAMING_MODEL_ACTIVITY,
)
from .._wire.sandboxes import SANDBOX_ACTIVITIES
from .._wire.storages import STORAGE_ACTIVITIES
from .._wire.tool_call import HOOK_HEADER, INVOKE_TOOL_ACTIVITY, LIST_TOOLS_ACTIVITY, TOOL_HEADER
from .gate import Gate
from .idempotency import hook_header, with_headers
from .options import TOOL_RETRIES, ActivityOptions
from .queue_watch import watched

_OF_THE_PLUGIN = frozenset(
    {
        MODEL_ACTIVITY,
        STREAMING_MODEL_ACTIVITY,
        COUNT_TOKENS_ACTIVITY,
        DESCRIBE_MODEL_ACTIVITY,
        LIST_TOOLS_ACTIVITY,
        INVOKE_TOOL_ACTIVITY,
        *SANDBOX_ACTIVITIES,
        *STORAGE_ACTIVITIES,
        *MEMORY_ACTIVITIES,
        A2A_ACTIVITY,
        CODE_ACTIVITY,
    }
)
"""Activities that `StrandsPlugin` registers."""

UNREGISTERED_TYPES = ("NotFoundError", "ActivityNotRegisteredError")
"""Failure types for an activity that a worker does not have: Temporal's SDKs for Python (1.35:
worker/_activity.py:543) and TypeScript send the first, the one for Go the second."""

UNREGISTERED_PATCH = "strands-temporal-unregistered-ends"
"""Patch id. In histories without it, a failure of `UNREGISTERED_TYPES` was handled as any other failure."""

LOST_WORKERS_PATCH = "strands-temporal-lost-workers"
"""Patch id. In histories without it, an activity whose last attempt lost its worker was not started again."""


def check_in_workflow(activity: str) -> None:
    """Refuse to start an activity outside of a workflow.

    Raises:
        RuntimeError: Outside of a workflow.
    """
    if not workflow.in_workflow():
        raise RuntimeError(
            f"The activity {activity!r} can be started inside a Temporal workflow only. Outside, call the "
            "function itself, or give the tool itself to an agent without Temporal"
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
    may_restart: Callable[[Sequence[Any]], bool] | None = None,
) -> Any:
    """Run an activity and return its result. Restores errors for Strands.

    If agents start more activities at once than one request to the server may contain, the others start in
    the next workflow task.

    With the default policy of tools, hooks and sandboxes, an activity whose last attempt ended with its
    worker (a heartbeat timeout) is started once more, with as many attempts.

    Args:
        activity: Activity type, or a function decorated with `@activity.defn`.
        args: Positional arguments.
        options: Merged and checked options (see `options.py`).
        result_type: Type of the result, if `activity` is a name.
        restore: Turns the activity's failure into the exception for Strands.
        cancel_signal: Cancels the activity when it is set. If it is already set, the activity does not start.
            For a tool it is `tool_context.cancel_signal`.
        tool_header: Tells the worker that the activity answers a tool call (see `idempotency.py`).
        hook: Whether to tell the worker that the activity runs for a hook.
        headers: Further headers of the activity.
        may_restart: Tells by the heartbeat details of a last attempt that lost its worker whether the
            activity may be started once more. None: it may.

    Raises:
        PayloadTooLargeError: If the input is too large for Temporal. Nothing is started.
        asyncio.CancelledError: If the activity was cancelled with the workflow, or the workflow is being
            evicted. For a cancelled activity Temporal raises an ordinary exception, which Strands' tool
            executors would treat as a failed tool, and continue.
        GeneratorExit: In a garbage collection, which must not start anything.
        RuntimeError: Outside of a workflow.
        SynchronousCallError: Inside a synchronous call of Strands, such as `agent.tool.name()`.
        AgentCancelledError: If `cancel_signal` was set and the activity returned no result.
        ActivityNotRegisteredError: If the worker that got its task does not have the activity.
        Exception: The exception that `restore` returns for a failed activity.
    """
    name = activity if isinstance(activity, str) else activity_name(activity) or activity.__name__
    check_not_torn_down()
    check_in_workflow(name)
    await may_wait(f"the activity {name!r}")
    if cancel_signal is not None and cancel_signal.is_set():
        raise AgentCancelledError
    own = dict(headers or {})
    if tool_header:
        own[TOOL_HEADER] = tool_header
    if hook:
        own[HOOK_HEADER] = hook_header()
    again = True  # once, if the last attempt lost its worker
    while True:
        await run_local(Gate).enter(f"Activity {name!r}", args)
        # temporalio's overloads accept a name or a function, but not a union of both.
        with with_headers(own):
            handle = workflow.start_activity(
                cast("str", activity), args=args, result_type=result_type, **options
            )
        with watched(name, options):
            by_signal = await wait_or_cancel(handle, cancel_signal)
        try:
            return handle.result()
        except (ActivityError, asyncio.CancelledError) as error:
            if by_signal:
                raise AgentCancelledError from error
            if isinstance(error, asyncio.CancelledError):
                raise
            if isinstance(error.cause, CancelledError):
                raise asyncio.CancelledError from error
            unregistered = _unregistered(name, error.cause, options)
            if unregistered and workflow.patched(UNREGISTERED_PATCH):
                raise unregistered from error
            if again and _lost_workers(error, options, may_restart) and workflow.patched(LOST_WORKERS_PATCH):
                again = False
                continue
            raise restore(error)  # noqa: B904  # `restore` sets the cause itself


def _lost_workers(
    error: ActivityError, options: ActivityOptions, may_restart: Callable[[Sequence[Any]], bool] | None
) -> bool:
    """Tell whether the last attempt of the default policy ended with its worker, not by itself.

    Three attempts are for an activity that fails. Three workers that die one after the other, as in a bad
    deploy, say nothing about it.
    """
    cause = error.cause
    return (
        isinstance(cause, ActivityTimeoutError)
        and cause.type is TimeoutType.HEARTBEAT
        and error.retry_state is RetryState.MAXIMUM_ATTEMPTS_REACHED
        and options.get("retry_policy") is TOOL_RETRIES
        and (may_restart is None or may_restart(cause.last_heartbeat_details))
    )


def _unregistered(
    name: str, cause: BaseException | None, options: ActivityOptions
) -> ActivityNotRegisteredError | None:
    """Return the error to raise if the worker that got the task does not have the activity, else None."""
    if not isinstance(cause, ApplicationError) or cause.type not in UNREGISTERED_TYPES:
        return None
    if not cause.message.startswith((f"Activity function {name} ", f"unable to find activityType={name}")):
        return None  # a user's own exception with that class name
    queue = options.get("task_queue") or workflow.info().task_queue
    remedy = (
        "Add plugins=[StrandsPlugin(...)] to that worker or to its client"
        if name in _OF_THE_PLUGIN
        else f"Register it: Worker(..., activities=[{name}]). If a plugin brings it, add that plugin"
    )
    text = (
        f"The worker of task queue {queue!r} does not have the activity {name!r}. {remedy}. "
        f"What it says: {cause.message}"
    )
    return ActivityNotRegisteredError(coded("ST202", text))


def check_activity(owner: str, function: object) -> None:
    """Refuse an object that is not an activity.

    Args:
        owner: Name of the function that got the object, for messages: "activity_as_tool".
        function: The object.

    Raises:
        AgentTypeError: If the object is not a function that `@activity.defn` decorates.
    """
    if not callable(function):
        raise AgentTypeError(
            f"{owner}: {function!r} is not a function. Give one decorated with @activity.defn"
        )
    if activity_name(function) is None:
        raise AgentTypeError(
            f"{owner}: {name_of(function)} is not an activity. Decorate it with @activity.defn and register "
            "it on the Worker; a tool that needs no I/O can be given to the agent as it is"
        )


def name_of(function: object) -> str:
    """Return a function's name, for messages."""
    return str(getattr(function, "__qualname__", None) or repr(function))


async def wait_or_cancel(handle: "asyncio.Task[Any]", signal: threading.Event | None) -> bool:
    """Wait until an activity has ended, and cancel it when `signal` is set or the waiting task is cancelled.

    The activity's `cancellation_type` decides when a cancelled activity has ended: at once, unless it is
    WAIT_CANCELLATION_COMPLETED.

    Args:
        handle: The handle that `workflow.start_activity` returned.
        signal: A signal to watch. It costs no timer, because Temporal checks the signal whenever the workflow
            does something.

    Returns:
        Whether the signal ended the activity. The handle is done either way.

    Raises:
        asyncio.CancelledError: If the waiting task was cancelled, even if the activity still returned a
            result or failed. The result or failure must not replace the cancellation.
    """
    # Retrieve the exception: else asyncio logs "exception was never retrieved" if the waiting task is gone.
    handle.add_done_callback(lambda done: done.cancelled() or done.exception())
    waiting: list[asyncio.Task[Any]] = [handle]
    if signal is not None:
        waiting.append(asyncio.create_task(workflow.wait_condition(signal.is_set)))
    try:
        # Do not await the handle itself: a cancellation of this task would then cancel only the handle, and
        # could not be told from a set signal.
        await workflow.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if handle.done():
            return False
        handle.cancel()
        await workflow.wait([handle])
    except asyncio.CancelledError:
        handle.cancel()
        await workflow.wait([handle])
        raise
    else:
        return True
    finally:
        for watcher in waiting[1:]:
            watcher.cancel()
