"""Activities as tools and hooks of an agent. Imported by workflow code.

from strands_temporal.workflow import activity_as_hook, activity_as_tool
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import strands
from strands.hooks import BaseHookEvent, HookCallback
from strands.types.tools import AgentTool
from temporalio.exceptions import TemporalError
from typing_extensions import Unpack

from ._errors import AgentTypeError, construction_error, from_tool_activity_error
from ._upstream.cancel_signal import AgentCancelledError, CancelSignal
from ._upstream.install import activity_name, end_waiting
from ._upstream.teardown import check_not_torn_down
from ._wire.tool_context import CONTEXT_PARAMETER
from ._workflow.activities import execute_activity
from ._workflow.activity_tool import activity_call
from ._workflow.answered_updates import AnsweredUpdates
from ._workflow.hosted_tools import TemporalTools
from ._workflow.options import (
    HEARTBEATING_TOOL_DEFAULTS,
    TOOL_DEFAULTS,
    ActivityOptions,
    merge_options,
    tool_defaults,
)
from ._workflow.remote_tools import RemoteTool, RemoteTools
from ._workflow.steering import SteeringJudgeError, TemporalLLMSteeringHandler

__all__ = [
    "HEARTBEATING_TOOL_DEFAULTS",
    "TOOL_DEFAULTS",
    "AgentCancelledError",
    "AnsweredUpdates",
    "CancelSignal",
    "RemoteTool",
    "RemoteTools",
    "SteeringJudgeError",
    "TemporalLLMSteeringHandler",
    "TemporalTools",
    "activity_as_hook",
    "activity_as_tool",
    "end_waiting",
    "execute_activity",
    "from_tool_activity_error",
    "merge_options",
]

TEvent = TypeVar("TEvent", bound=BaseHookEvent)


def activity_as_tool(
    activity: Callable[..., Any],
    *,
    name: str | None = None,
    description: str | None = None,
    inputSchema: dict[str, Any] | None = None,  # noqa: N803  # as in `strands.tool`
    **options: Unpack[ActivityOptions],
) -> AgentTool:
    """Return a tool whose call runs `activity` on a worker.

    Name, description and parameters of the tool come from the function, its docstring and its hints, as with
    `strands.tool`; arguments are validated in the workflow, with Strands' own messages, before anything is
    scheduled. An activity with a parameter `tool_context: strands_temporal.activity.ToolContext` gets what it
    may know of its call, and can pause the agent. What the activity returns becomes the tool's result as with
    `strands.tool`; what it raises, after the last attempt, becomes the tool's error. Register the activity on
    the Worker.

    Args:
        activity: A function or method decorated with `temporalio.activity.defn`.
        name: Name of the tool, instead of the function's.
        description: Description of the tool, instead of the docstring's.
        inputSchema: JSON schema that the model sees, instead of the one made from the hints.
        **options: Activity options of every call: the keys of `temporalio.workflow.ActivityConfig` without
            `activity_id`. Not given, a call may take 1 minute and is tried 3 times; a call on the workflow's
            own task queue also has a heartbeat time-out of 15 seconds, and the worker heartbeats by itself.

    Raises:
        AgentTypeError: If `activity` is not an activity, has a parameter that cannot be filled, or an option
            is unknown or of a wrong type.
        AgentValueError: If an option has a value that cannot work, or Strands refuses the function's
            signature.
    """
    _check_activity("activity_as_tool", activity)
    owner = f"activity_as_tool({_name(activity)})"
    merged = merge_options(owner, tool_defaults(options), options)
    decorate = strands.tool(
        name=name, description=description, inputSchema=inputSchema, context=CONTEXT_PARAMETER
    )
    try:
        return decorate(activity_call(owner, activity, merged))
    except TemporalError:
        raise
    except Exception as error:
        raise construction_error(error) from error


def activity_as_hook(
    activity: Callable[..., Any],
    *,
    activity_input: Callable[[TEvent], Any] | None = None,
    apply: Callable[[TEvent, Any], Any] | None = None,
    **options: Unpack[ActivityOptions],
) -> HookCallback[TEvent]:
    """Return a hook callback that runs `activity` on a worker.

    The agent waits for the activity. If it fails, after the last attempt, the callback raises: the run of a
    `TemporalAgent` ends, and what a hook before it guards does not happen. Register the activity on the
    Worker.

    Args:
        activity: A function or method decorated with `temporalio.activity.defn`.
        activity_input: Makes the activity's one argument from the event, which itself cannot cross to an
            activity: use a dataclass or a Pydantic model for several values. Runs in the workflow, so it must
            be deterministic. None calls the activity without an argument.
        apply: Gets the event and what the activity returned, and writes to the event: `cancel_tool`,
            `result`, `retry`, ... Runs in the workflow; may be async.
        **options: Activity options: the keys of `temporalio.workflow.ActivityConfig` without `activity_id`.
            Not given, the activity may take 1 minute and is tried 3 times; one on the workflow's own task
            queue also has a heartbeat time-out of 15 seconds, and the worker heartbeats by itself.

    Raises:
        AgentTypeError: If `activity` is not an activity, `activity_input` or `apply` cannot be called, or an
            option is unknown or of a wrong type.
        AgentValueError: If an option has a value that cannot work.
    """
    _check_activity("activity_as_hook", activity)
    owner = f"activity_as_hook({_name(activity)})"
    _check_callback(owner, "activity_input", activity_input, "lambda event: event.tool_use['name']")
    _check_callback(owner, "apply", apply, "lambda event, result: setattr(event, 'cancel_tool', result)")
    merged = merge_options(owner, tool_defaults(options), options)

    async def callback(event: TEvent) -> None:
        check_not_torn_down()  # before the user's own function
        args = [] if activity_input is None else [activity_input(event)]
        result = await execute_activity(activity, args, merged, hook=True)
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


def _check_activity(owner: str, function: object) -> None:
    if not callable(function):
        raise AgentTypeError(
            f"{owner}: {function!r} is not a function. Give one decorated with @activity.defn"
        )
    if activity_name(function) is None:
        raise AgentTypeError(
            f"{owner}: {_name(function)} is not an activity. Decorate it with @activity.defn and register it "
            "on the "
            "Worker; a tool that needs no I/O can be given to the agent as it is"
        )


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", None) or repr(function))
