"""Wraps an activity in a function with the same signature, for `strands.tool` to decorate."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import strands
from strands import ToolContext
from strands.types.tools import AgentTool
from temporalio.exceptions import TemporalError
from typing_extensions import Unpack

from .._errors import AgentCancelledError, AgentTypeError
from .._upstream.private_api import activity_name
from .._wire.tool_arguments import ActivityParameters, function_of
from .._wire.tool_call import ToolOutcome
from .._wire.tool_context import CONTEXT_PARAMETER
from .activities import check_activity, check_in_workflow, name_of
from .failures import construction_error
from .invocation_state import user_invocation_state
from .options import ActivityOptions, merge_options, tool_defaults
from .tool_calls import call_tool_activity
from .tool_context import takes_context
from .tool_results import bare_value, tool_value


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
    `strands.tool`. The arguments are validated in the workflow, with Strands' own messages, before an
    activity is scheduled. An activity with a parameter `tool_context: strands_temporal.activity.ToolContext`
    gets the context of its call, and can pause the agent. The activity's return value becomes the tool's
    result as with `strands.tool`; the activity's exception, after the last attempt, becomes the tool's error.
    Register the activity on the Worker.

    Args:
        activity: A function or method decorated with `temporalio.activity.defn`.
        name: Name of the tool, instead of the function's.
        description: Description of the tool, instead of the docstring's.
        inputSchema: JSON schema that the model sees, instead of the one made from the hints.
        **options: Activity options of every call: the keys of `temporalio.workflow.ActivityConfig` without
            `activity_id`. By default a call may take 1 minute and is tried 3 times. On the workflow's own
            task queue it also has a heartbeat timeout of 15 seconds, and the worker heartbeats
            automatically.

    Raises:
        AgentTypeError: If `activity` is not an activity, has a parameter that cannot be filled, or an option
            is unknown or of a wrong type.
        AgentValueError: If an option has a value that cannot work, or Strands refuses the function's
            signature.
    """
    check_activity("activity_as_tool", activity)
    owner = f"activity_as_tool({name_of(activity)})"
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


def activity_call(owner: str, activity: Callable[..., Any], options: ActivityOptions) -> Callable[..., Any]:
    """Return a function with the activity's signature plus Strands' tool context. It runs the activity.

    Args:
        owner: Name of the caller, for messages: "activity_as_tool(fetch)".
        activity: The decorated activity: a function, a method, or a class or object with `__call__`.
        options: Options of the activity.

    Raises:
        AgentTypeError: If the activity has a parameter that a workflow cannot fill, or is a generator.
    """
    function = function_of(activity)
    activity_type = activity_name(activity) or function.__name__
    signature = inspect.signature(function)
    _check_signature(owner, function, signature)
    with_context = takes_context(function)
    elsewhere = options.get("task_queue") is not None  # a worker there may lack the plugin
    parameters = ActivityParameters(function, elsewhere=elsewhere)
    returns = get_type_hints(function).get("return")
    warned: set[str] = set()

    async def call(*, tool_context: "ToolContext[Any]", **arguments: Any) -> Any:
        check_in_workflow(activity_type)
        state = user_invocation_state(owner, tool_context.invocation_state, warned) if with_context else None
        given: Any = tool_context.tool_use["input"]
        try:
            value = await call_tool_activity(
                activity_type,
                tool_context,
                arguments,
                lambda payload: parameters.arguments(given, arguments, payload if with_context else None),
                options,
                state=state,
                complete=not elsewhere,
            )
        except AgentCancelledError as error:
            return {"status": "error", "content": [{"text": str(error)}]}
        return _result(value, tool_context, returns)

    return _disguised(call, function, activity_type, signature)


def _disguised(
    call: Callable[..., Any], function: Callable[..., Any], activity_type: str, signature: inspect.Signature
) -> Callable[..., Any]:
    """Return `call` with the activity function's name, docstring and hints, plus Strands' tool context."""
    call = functools.wraps(function)(call)
    if function.__name__ == "__call__":
        call.__name__ = activity_type
    if CONTEXT_PARAMETER not in signature.parameters:
        parameter = inspect.Parameter(CONTEXT_PARAMETER, inspect.Parameter.KEYWORD_ONLY)
        signature = signature.replace(parameters=[*signature.parameters.values(), parameter])
    setattr(call, "__signature__", signature)  # noqa: B010  # what `inspect` reads, unknown to type checkers
    return call


def _result(value: Any, context: "ToolContext[Any]", hint: Any) -> Any:
    """Apply the activity's state changes, and return the function's value for Strands."""
    answer = ToolOutcome.from_wire(value)
    if answer is None:  # from a worker without the plugin, or in a history older than `ToolOutcome`
        return bare_value(value, hint)
    return tool_value(answer, context)


def _check_signature(owner: str, function: Callable[..., Any], signature: inspect.Signature) -> None:
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise AgentTypeError(
            f"{owner}: a generator cannot be a tool's activity. Return the result, and report progress with "
            "`tool_context.report_progress(...)` (strands_temporal.activity.ToolContext)"
        )
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise AgentTypeError(f"{owner}: {parameter} has no name for the model. Name each parameter")
        if parameter.name == "agent":
            raise AgentTypeError(
                f"{owner}: Strands passes the agent itself to a parameter 'agent', which cannot cross to an "
                "activity. Take `tool_context: strands_temporal.activity.ToolContext`, or name it otherwise"
            )
