"""Calls of named objects on the worker: each operation of a handle is one activity."""

import builtins
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from .._errors import AgentTypeError, AgentValueError
from .._wire.failures import from_activity_error, is_rebuildable, rebuilt_exception
from .._wire.handles import HandleCall
from .._wire.tool_call import TOOL_HEARTBEAT_TIMEOUT
from .._wire.values import encode
from .activities import execute_activity
from .options import ActivityOptions, merge_options
from .summaries import summary_of
from .transcripts import SentTranscripts

HANDLE_DEFAULTS: ActivityOptions = {
    "start_to_close_timeout": timedelta(minutes=1),
    "heartbeat_timeout": TOOL_HEARTBEAT_TIMEOUT,
    # Lasts about two and a half minutes while the service behind the object is down.
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=30), maximum_attempts=10),
}
"""Activity options of an operation if the user sets none."""


def handle_options(
    kind: str, name: object, option: str, defaults: ActivityOptions, options: ActivityOptions
) -> ActivityOptions:
    """Check the name of a handle, and return its activity options.

    Args:
        kind: The handle's class, for messages: "TemporalStorage".
        name: The name.
        option: Where the name is registered, for messages: "StrandsPlugin(storages=...)".
        defaults: Options of the handle's kind.
        options: Options of this handle.

    Raises:
        AgentTypeError: If the name is not a string, or an option is unknown or of a wrong type.
        AgentValueError: If the name is empty, or an option has a value that cannot work.
    """
    hint = f"Give a name in {option} on the worker"
    if not isinstance(name, str):
        raise AgentTypeError(f"{kind}: the name {name!r} is not a string. {hint}")
    if not name:
        raise AgentValueError(f"{kind}: the name is empty. {hint}")
    return merge_options(f"{kind}({name!r})", defaults, options)


async def operate(
    activity: str, call: object, options: ActivityOptions, *, summary: Sequence[object], **more: Any
) -> Any:
    """Run one operation on a named object, and return the activity's result.

    Args:
        activity: Activity type.
        call: The activity's argument.
        options: Activity options. A `summary` in them replaces `summary=`.
        summary: Parts of the activity's summary.
        **more: Further arguments of `execute_activity`.

    Raises:
        Exception: The same exceptions as `execute_activity`.
    """
    return await execute_activity(activity, [call], {"summary": summary_of(*summary), **options}, **more)


async def call_handle(
    activity: str,
    name: str,
    arguments: Mapping[str, Any],
    options: ActivityOptions,
    *,
    result_type: type[Any] | None = None,
    summary: Sequence[object] = (),
    no_answer: Callable[[str], Exception] | None = None,
) -> Any:
    """Run an operation on a named object, and return the activity's result.

    Large arguments stay out of history: the worker asks the workflow for them.

    Args:
        activity: Activity type.
        name: The object's name.
        arguments: JSON values and bytes.
        options: Activity options.
        result_type: Type of the activity's result.
        summary: Parts of the activity's summary.
        no_answer: Makes the exception for an activity that timed out. By default Temporal's own is raised.

    Raises:
        TypeError: If an argument is neither JSON nor bytes.
        Exception: The exception that the object raised. It has its own class if that is a class of Strands or
            Python. Otherwise it is an `ApplicationError` with the class's name as its type. If nothing
            catches it, the run ends.
    """

    def restore(error: ActivityError) -> Exception:
        if not isinstance(error.cause, ApplicationError) and no_answer is not None:
            missing = no_answer(f"{error.cause or error}")
            missing.__cause__ = error
            return missing
        return _as_raised(from_activity_error(error))

    encoded = encode(arguments)
    with SentTranscripts.of_this_run().hold(encoded) as held:
        call = HandleCall(name, encoded) if held is None else HandleCall(name, held=held)
        return await operate(
            activity, call, options, summary=(name, *summary), result_type=result_type, restore=restore
        )


def _as_raised(error: Exception) -> Exception:
    """Rebuild a builtin exception that the object raised, as a subclass that also ends a workflow."""
    if not isinstance(error, ApplicationError) or not is_rebuildable(
        getattr(builtins, error.type or "", None)
    ):
        return error
    name = error.type or ""
    rebuilt = rebuilt_exception(__name__, name, name, error.message)
    rebuilt.__cause__ = error.__cause__
    return rebuilt
