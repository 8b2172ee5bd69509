"""Activities as tools and hooks of an agent. Imported by workflow code.

from strands_temporal.workflow import activity_as_hook, activity_as_tool
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import strands
from strands import ToolContext
from strands.hooks import BaseHookEvent, HookCallback
from strands.interrupt import InterruptException
from strands.types.tools import AgentTool
from temporalio.exceptions import TemporalError
from typing_extensions import Unpack

from ._adaptation import activity_name
from ._errors import AgentTypeError, construction_error, from_tool_activity_error
from ._invocation_state import users_state
from ._options import TOOL_DEFAULTS, ActivityOptions, merge_options
from ._tool_context import CONTEXT_PARAMETER, pause, takes_context, wire_context
from ._updates import AnsweredUpdates
from ._workflow import execute_activity

__all__ = [
    "TOOL_DEFAULTS",
    "AnsweredUpdates",
    "activity_as_hook",
    "activity_as_tool",
    "execute_activity",
    "from_tool_activity_error",
    "merge_options",
]

TEvent = TypeVar("TEvent", bound=BaseHookEvent)


def activity_as_tool(activity: Callable[..., Any], **options: Unpack[ActivityOptions]) -> AgentTool:
    """Return a tool whose call runs `activity` on a worker.

    Name, description and parameters of the tool come from the function, its docstring and its hints, as with
    `strands.tool`; arguments are validated in the workflow, with Strands' own messages, before anything is
    scheduled. An activity with a parameter `tool_context: strands_temporal.activity.ToolContext` gets what it
    may know of its call, and can pause the agent. What the activity returns becomes the tool's result as with
    `strands.tool`; what it raises, after the last attempt, becomes the tool's error. Register the activity on
    the Worker.

    Args:
        activity: A function or method decorated with `temporalio.activity.defn`.
        **options: Activity options of every call: the keys of `temporalio.workflow.ActivityConfig` without
            `activity_id`. Not given, a call may take 1 minute and is tried 3 times.

    Raises:
        AgentTypeError: If `activity` is not an activity, or an option is unknown or of a wrong type.
        AgentValueError: If an option has a value that cannot work, or Strands refuses the function's
        signature.
    """
    _check_activity("activity_as_tool", activity)
    owner = f"activity_as_tool({_name(activity)})"
    merged = merge_options(owner, TOOL_DEFAULTS, options)
    try:
        return strands.tool(context=CONTEXT_PARAMETER)(_activity_call(owner, activity, merged))
    except TemporalError:
        raise
    except Exception as error:
        raise construction_error(error) from error


def _activity_call(owner: str, activity: Callable[..., Any], options: ActivityOptions) -> Callable[..., Any]:
    """Return a function that Strands takes for the activity's, with the tool context beside."""
    signature = inspect.signature(activity)
    parameters = [name for name in signature.parameters if name not in ("self", "cls")]
    with_context = takes_context(activity)
    warned: set[str] = set()

    @functools.wraps(activity)
    async def call(*, tool_context: "ToolContext[Any]", **arguments: Any) -> Any:
        if with_context:
            state = users_state(owner, tool_context.invocation_state, warned)
            arguments[CONTEXT_PARAMETER] = wire_context(tool_context, state)
        args = [arguments[name] for name in parameters]
        try:
            return await execute_activity(activity, args, options, restore=from_tool_activity_error)
        except InterruptException as error:
            raise pause(tool_context, error) from None

    if not with_context:
        parameter = inspect.Parameter(CONTEXT_PARAMETER, inspect.Parameter.KEYWORD_ONLY)
        signature = signature.replace(parameters=[*signature.parameters.values(), parameter])
    setattr(call, "__signature__", signature)  # noqa: B010  # what `inspect` reads, unknown to type checkers
    return call


def activity_as_hook(
    activity: Callable[..., Any],
    *,
    activity_input: Callable[[TEvent], Any] | None = None,
    **options: Unpack[ActivityOptions],
) -> HookCallback[TEvent]:
    """Return a hook callback that runs `activity` on a worker.

    The agent waits for the activity. If it fails, after the last attempt, the callback raises. Register the
    activity on the Worker.

    Args:
        activity: A function or method decorated with `temporalio.activity.defn`.
        activity_input: Makes the activity's one argument from the event, which itself cannot cross to an
            activity: use a dataclass or a Pydantic model for several values. Runs in the workflow, so it must
                be
            deterministic. None calls the activity without an argument.
        **options: Activity options: the keys of `temporalio.workflow.ActivityConfig` without `activity_id`.
            Not given, the activity may take 1 minute and is tried 3 times.

    Raises:
        AgentTypeError: If `activity` is not an activity, `activity_input` cannot be called, or an option is
            unknown or of a wrong type.
        AgentValueError: If an option has a value that cannot work.
    """
    _check_activity("activity_as_hook", activity)
    if activity_input is not None and not callable(activity_input):
        raise AgentTypeError(
            f"activity_as_hook({_name(activity)}): activity_input={activity_input!r} cannot be called. "
            "Give a function that takes the event, for example `lambda event: event.tool_use['name']`"
        )
    merged = merge_options(f"activity_as_hook({_name(activity)})", TOOL_DEFAULTS, options)

    async def callback(event: TEvent) -> None:
        args = [] if activity_input is None else [activity_input(event)]
        await execute_activity(activity, args, merged)

    return callback


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
