"""The function that Strands takes for a tool's, and that runs an activity in its place. Workflow side."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from strands import ToolContext
from strands.interrupt import InterruptException
from temporalio.api.common.v1 import Payload

from .._errors import AgentTypeError
from .._upstream.cancel_signal import AgentCancelledError
from .._upstream.install import activity_name
from .._wire.agent_state import apply_state
from .._wire.model_call import ToolAnswer
from .._wire.tool_arguments import ActivityParameters, function_of
from .._wire.tool_context import CONTEXT_PARAMETER, answer, takes_context, wire_context
from .._wire.tool_failures import from_tool_failure
from .._worker.invocation_state import users_state
from .._worker.tool_results import bare_value, tool_value
from .activities import check_in_workflow, execute_activity
from .held_context import crossing_context
from .idempotency import idempotency_key, tool_header
from .options import ActivityOptions


def activity_call(owner: str, activity: Callable[..., Any], options: ActivityOptions) -> Callable[..., Any]:
    """Return a function that Strands takes for the activity's, with the tool context beside.

    Args:
        owner: Whose it is, for messages: "activity_as_tool(fetch)".
        activity: What `@activity.defn` decorated: a function, a method, or a class or object with `__call__`.
        options: Options of the activity.

    Raises:
        AgentTypeError: If the activity has a parameter that a workflow cannot fill, or yields.
    """
    function = function_of(activity)
    activity_type = activity_name(activity) or function.__name__
    signature = inspect.signature(function)
    _check_signature(owner, function, signature)
    with_context = takes_context(function)
    elsewhere = options.get("task_queue") is not None  # there a worker may lack the plugin
    parameters = ActivityParameters(function, elsewhere=elsewhere)
    returns = get_type_hints(function).get("return")
    warned: set[str] = set()

    @functools.wraps(function)
    async def call(*, tool_context: "ToolContext[Any]", **arguments: Any) -> Any:
        check_in_workflow(activity_type)
        header = tool_header(idempotency_key(tool_context, arguments), tool_context, activity_type)
        if not with_context:
            return await run(tool_context, arguments, {"answers": {}}, header, {})
        state = users_state(owner, tool_context.invocation_state, warned)
        with crossing_context(wire_context(tool_context, state), complete=not elsewhere) as (
            crossing,
            headers,
        ):
            return await run(tool_context, arguments, crossing, header, headers)

    async def run(
        tool_context: "ToolContext[Any]",
        arguments: dict[str, Any],
        crossing: dict[str, Any],
        header: Payload,
        headers: dict[str, Payload],
    ) -> Any:
        given: Any = tool_context.tool_use["input"]
        while True:
            try:
                value = await execute_activity(
                    activity_type,
                    parameters.arguments(given, arguments, crossing if with_context else None),
                    options,
                    restore=from_tool_failure,
                    cancel_signal=tool_context.cancel_signal,
                    tool_header=header,
                    headers=headers,
                )
                return _result(value, tool_context, returns)
            except AgentCancelledError as error:  # noqa: PERF203  # a try for each question
                return {"status": "error", "content": [{"text": str(error)}]}
            except InterruptException as error:
                crossing["answers"] = answer(tool_context, error, crossing["answers"])

    if function.__name__ == "__call__":
        call.__name__ = activity_type
    if not with_context:
        parameter = inspect.Parameter(CONTEXT_PARAMETER, inspect.Parameter.KEYWORD_ONLY)
        signature = signature.replace(parameters=[*signature.parameters.values(), parameter])
    setattr(call, "__signature__", signature)  # noqa: B010  # what `inspect` reads, unknown to type checkers
    return call


def _result(value: Any, context: "ToolContext[Any]", hint: Any) -> Any:
    """Return what Strands gets as the function's value, the agent's state changed before."""
    answer = ToolAnswer.from_wire(value)
    if answer is None:  # of a worker without the plugin, or in a history older than the answers
        return bare_value(value, hint)
    result = tool_value(answer)
    if answer.state:
        apply_state(context, answer.state)
    return result


def _check_signature(owner: str, function: Callable[..., Any], signature: inspect.Signature) -> None:
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        raise AgentTypeError(
            f"{owner}: an activity that yields cannot answer. Return the result, and report what happens "
            "before by `tool_context.report_progress(...)` (strands_temporal.activity.ToolContext)"
        )
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise AgentTypeError(f"{owner}: {parameter} has no name for the model. Name each parameter")
        if parameter.name == "agent":
            raise AgentTypeError(
                f"{owner}: to a parameter 'agent' Strands gives the agent itself, which cannot cross to an "
                "activity. Take `tool_context: strands_temporal.activity.ToolContext`, or name it otherwise"
            )
