"""The function that Strands takes for a tool's, and that runs an activity in its place. Workflow side."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel
from strands import ToolContext
from strands.interrupt import InterruptException
from temporalio.api.common.v1 import Payload

from ._adaptation import activity_name
from ._agent_state import apply_state
from ._cancel import AgentCancelledError
from ._errors import AgentTypeError
from ._held_context import crossing_context
from ._idempotency import idempotency_key, tool_header
from ._invocation_state import users_state
from ._options import ActivityOptions
from ._tool_context import CONTEXT_PARAMETER, answer, takes_context, wire_context
from ._tool_errors import from_tool_failure
from ._tool_results import bare_value, tool_value
from ._types import ToolAnswer
from ._workflow import execute_activity

_BOUND_ON_THE_WORKER = ("self", "cls")


def activity_call(owner: str, activity: Callable[..., Any], options: ActivityOptions) -> Callable[..., Any]:
    """Return a function that Strands takes for the activity's, with the tool context beside.

    Args:
        owner: Whose it is, for messages: "activity_as_tool(fetch)".
        activity: What `@activity.defn` decorated: a function, a method, or a class or object with `__call__`.
        options: Options of the activity.

    Raises:
        AgentTypeError: If the activity has a parameter that a workflow cannot fill, or yields.
    """
    function = _function(activity)
    activity_type = activity_name(activity) or function.__name__
    signature = inspect.signature(function)
    _check_signature(owner, function, signature)
    parameters = [name for name in signature.parameters if name not in _BOUND_ON_THE_WORKER]
    with_context = takes_context(function)
    hints = get_type_hints(function)
    models = [name for name in parameters if _holds_model(hints.get(name))]
    warned: set[str] = set()
    complete = options.get("task_queue") is None  # a worker of another task queue may lack the plugin

    @functools.wraps(function)
    async def call(*, tool_context: "ToolContext[Any]", **arguments: Any) -> Any:
        header = tool_header(idempotency_key(tool_context, arguments), tool_context, activity_type)
        _take_as_given(arguments, tool_context.tool_use["input"], models)
        if not with_context:
            return await run(tool_context, arguments, {"answers": {}}, header, {})
        state = users_state(owner, tool_context.invocation_state, warned)
        context = wire_context(tool_context, state)
        texts = {name: arguments.get(name) if hints.get(name) is str else None for name in parameters}
        with crossing_context(context, arguments=texts, complete=complete) as (crossing, headers):
            arguments[CONTEXT_PARAMETER] = crossing
            return await run(tool_context, arguments, crossing, header, headers)

    async def run(
        tool_context: "ToolContext[Any]",
        arguments: dict[str, Any],
        crossing: dict[str, Any],
        header: Payload,
        headers: dict[str, Payload],
    ) -> Any:
        while True:
            try:
                value = await execute_activity(
                    activity_type,
                    [arguments[name] for name in parameters],
                    options,
                    restore=from_tool_failure,
                    cancel_signal=tool_context.cancel_signal,
                    tool_header=header,
                    headers=headers,
                )
                return _result(value, tool_context, hints.get("return"))
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


def _take_as_given(arguments: dict[str, Any], given: Any, models: list[str]) -> None:
    """Put the model's own JSON, which Strands has validated, in the place of dumped Pydantic objects.

    Strands dumps them by field name, and a class with aliases would refuse that on the worker.
    """
    for name in models:
        if isinstance(given, dict) and isinstance(given.get(name), (dict, list)):  # pyright: ignore[reportUnknownMemberType]  # the model's JSON
            arguments[name] = given[name]


def _function(activity: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind an activity that is a class or an object with `__call__`."""
    if inspect.isfunction(activity) or inspect.ismethod(activity):
        return activity
    return activity.__call__


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


def _holds_model(hint: Any) -> bool:
    if inspect.isclass(hint) and issubclass(hint, BaseModel):
        return True
    return any(_holds_model(argument) for argument in get_args(hint))
