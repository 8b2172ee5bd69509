"""Makes a tool of an activity: `strands.tool` decorates a function with the activity's signature.

Strands makes a pydantic model and a JSON schema of each tool. For an activity that the process has once, one
model serves all workflows: the decorated function is a method, and each workflow binds it to its own options.
"""

import copy
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

import strands
from strands import ToolContext
from strands.tools.decorator import DecoratedFunctionTool
from strands.types.tools import AgentTool
from temporalio.exceptions import TemporalError
from typing_extensions import Unpack

from .._errors import AgentCancelledError, AgentTypeError
from .._upstream.private_api import activity_name
from .._wire.process_wide import is_process_wide
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
    function = function_of(activity)
    elsewhere = merged.get("task_queue") is not None  # a worker there may lack the plugin
    activity_type = activity_name(activity) or function.__name__
    make = _shared_template if is_process_wide(function) else _template
    try:
        template = make(function, owner, activity_type, name, description, elsewhere)
        call = _Call(owner, activity_type, merged, template)
        made = template.tool.__get__(call, _Call)
        made.tool_spec = copy.deepcopy(made.tool_spec)
        if inputSchema is not None:
            made.tool_spec["inputSchema"] = inputSchema
    except TemporalError:
        raise
    except Exception as error:
        raise construction_error(error) from error
    return made


@dataclass(frozen=True)
class _Template:
    """What the tools of an activity have in common: everything but the options.

    Attributes:
        tool: The tool. Its function is a method of `_Call`, so binding it makes a workflow's own tool.
        parameters: The activity's parameters.
        with_context: Whether the activity takes a tool context.
        returns: Type hint of its result.
    """

    tool: "DecoratedFunctionTool[..., Any]"
    parameters: ActivityParameters
    with_context: bool
    returns: Any


def _template(
    function: Callable[..., Any],
    owner: str,
    activity_type: str,
    name: str | None,
    description: str | None,
    elsewhere: bool,
) -> _Template:
    """Return what the tools of an activity have in common.

    Args:
        function: The activity's function, method, or `__call__`.
        owner: Name of the caller, for messages: "activity_as_tool(fetch)".
        activity_type: Name of the activity.
        name: Name of the tool; None for the function's.
        description: Description of the tool; None for the docstring's.
        elsewhere: Whether calls go to another task queue.

    Raises:
        AgentTypeError: If the activity has a parameter that a workflow cannot fill, or is a generator.
        Exception: If Strands refuses the function's signature.
    """
    signature = inspect.signature(function)
    _check_signature(owner, function, signature)
    with_context = takes_context(function)
    parameters = ActivityParameters(function, elsewhere=elsewhere)
    returns = get_type_hints(function).get("return")

    async def call(self: _Call, *, tool_context: "ToolContext[Any]", **arguments: Any) -> Any:
        return await self.run(tool_context, arguments)

    disguised = _disguised(call, function, activity_type, signature)
    tool = strands.tool(name=name, description=description, context=CONTEXT_PARAMETER)(disguised)
    return _Template(tool, parameters, with_context, returns)


_shared_template = functools.lru_cache(maxsize=256)(_template)
"""For a function that the process has once: its model of the arguments costs more than a workflow's task."""


class _Call:
    """Runs the activity of a tool in one workflow.

    Args:
        owner: Name of the caller, for messages: "activity_as_tool(fetch)".
        activity_type: Name of the activity.
        options: Options of the activity.
        template: What is known of the activity's function.
    """

    def __init__(self, owner: str, activity_type: str, options: ActivityOptions, template: _Template) -> None:
        self._owner = owner
        self._activity_type = activity_type
        self._options = options
        self._template = template
        self._warned: set[str] = set()

    async def run(self, tool_context: "ToolContext[Any]", arguments: dict[str, Any]) -> Any:
        """Run the activity, and return the tool's result for Strands."""
        check_in_workflow(self._activity_type)
        template = self._template
        state = None
        if template.with_context:
            state = user_invocation_state(self._owner, tool_context.invocation_state, self._warned)
        given: Any = tool_context.tool_use["input"]
        try:
            value = await call_tool_activity(
                self._activity_type,
                tool_context,
                arguments,
                lambda payload: template.parameters.arguments(
                    given, arguments, payload if template.with_context else None
                ),
                self._options,
                state=state,
                complete=self._options.get("task_queue") is None,
            )
        except AgentCancelledError as error:
            return {"status": "error", "content": [{"text": str(error)}]}
        return _result(value, tool_context, template.returns)


def _disguised(
    call: Callable[..., Any], function: Callable[..., Any], activity_type: str, signature: inspect.Signature
) -> Callable[..., Any]:
    """Return `call` with the activity function's name, docstring and hints, plus Strands' tool context."""
    call = functools.wraps(function)(call)
    if function.__name__ == "__call__":
        call.__name__ = activity_type
    parameters = list(signature.parameters.values())
    if CONTEXT_PARAMETER not in signature.parameters:
        parameters.append(inspect.Parameter(CONTEXT_PARAMETER, inspect.Parameter.KEYWORD_ONLY))
    if "self" not in signature.parameters:  # the one to bind, which Strands does not show to the model
        parameters.insert(0, inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY))
    signature = signature.replace(parameters=parameters)
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
