"""`child_workflow`: a child workflow as a tool of an agent, with a sub-agent or with any other work in it."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast, get_type_hints

import strands
from strands import ToolContext
from strands.types.tools import AgentTool
from temporalio.exceptions import ChildWorkflowError, TemporalError
from typing_extensions import Unpack

from .._errors import AgentCancelledError, AgentTypeError, AgentValueError
from .._upstream.private_api import workflow_definition
from .._wire.failures import from_tool_activity_error
from .._wire.tool_context import CONTEXT_PARAMETER
from .activities import name_of
from .child_calls import run_child
from .child_options import ChildWorkflowOptions, child_options
from .failures import construction_error
from .sub_agent import SubAgentTask
from .sub_agent_tool import DelegatedSubAgentTool, SubAgentTool
from .tool_results import bare_value


def child_workflow(
    target: "type[Any] | Callable[..., Any] | str",
    *,
    name: str | None = None,
    description: str | None = None,
    inputSchema: dict[str, Any] | None = None,  # noqa: N803  # as in `strands.tool`
    preserve_context: bool = False,
    delegate: bool = False,
    **options: Unpack[ChildWorkflowOptions],
) -> AgentTool:
    """Return a tool whose call runs a child workflow, with a history and a task queue of its own.

    If the workflow's argument is a `SubAgentTask`, the workflow has a sub-agent, and the tool does what
    `agent.as_tool()` does: the model gives a string, the sub-agent's answer is the result, and the
    sub-agent's questions reach the people who answer the calling agent. A workflow that is given by its name
    counts as one with a sub-agent.

    Any other workflow is a tool as `activity_as_tool` makes it: name, description and parameters come from
    the workflow's class, its docstring and the hints of its run method.

    If the call is cancelled, with the calling workflow or by `agent.cancel()`, the child is cancelled. If the
    child fails, the model reads the failure's message. Register the workflow on a Worker.

    Args:
        target: A class with `@workflow.defn`, its run method, or a workflow type.
        name: Name of the tool. By default the workflow type.
        description: Description of the tool. By default the docstring of the class, or of its run method.
        inputSchema: JSON schema that the model sees, instead of the one made from the hints.
        preserve_context: Whether a sub-agent keeps its conversation from call to call, as in
            `agent.as_tool(preserve_context=True)`. The caller keeps it.
        delegate: Whether a sub-agent's answer ends the caller's turn and is its answer, as in
            `agent.as_tool(delegate=True)`.
        **options: Options of the child: the keys of `temporalio.workflow.ChildWorkflowConfig` without
            `cron_schedule`. By default each call's child has an id of its own and no timeout.

    Raises:
        AgentTypeError: If `target` is not a workflow, its run method has a parameter that cannot be filled,
            or an option is unknown or of a wrong type.
        AgentValueError: If an option has a value that cannot work, a workflow given by its name has no
            description, or Strands refuses the run method's signature.
    """
    workflow_type, run, documented = _found(target)
    owner = f"child_workflow({workflow_type})"
    with_agent = run is None or _takes_task(run)
    checked = child_options(owner, cast("Any", options), starts_again=with_agent)
    text = description or documented
    if with_agent:
        if not text:
            raise AgentValueError(f"{owner}: a model needs a description of the tool. Give description='...'")
        if inputSchema is not None:
            raise AgentTypeError(f"{owner}: a sub-agent's tool takes one string. Leave out inputSchema=")
        kind = DelegatedSubAgentTool if delegate else SubAgentTool
        return kind(owner, workflow_type, name or workflow_type, text, preserve_context, checked)
    for given, is_given in (("preserve_context", preserve_context), ("delegate", delegate)):
        if is_given:
            raise AgentTypeError(
                f"{owner}: {given}=True is for a workflow with a sub-agent, whose run method takes a "
                "SubAgentTask"
            )
    decorate = strands.tool(
        name=name or workflow_type, description=text, inputSchema=inputSchema, context=CONTEXT_PARAMETER
    )
    try:
        return decorate(_call(owner, workflow_type, cast("Any", run), checked))
    except TemporalError:
        raise
    except Exception as error:
        raise construction_error(error) from error


def _found(target: object) -> tuple[str, Callable[..., Any] | None, str | None]:
    """Return a workflow's type, its run method and its docstring. For a name, only the type is known."""
    if isinstance(target, str):
        if not target:
            raise AgentValueError("child_workflow: the workflow type is empty")
        return target, None, None
    found = workflow_definition(target)
    if found is None:
        raise AgentTypeError(
            f"child_workflow: {name_of(target)} is not a workflow. Give a class that @workflow.defn "
            "decorates, its run method, or a workflow type as a string"
        )
    workflow_type, run, cls = found
    if workflow_type is None:
        raise AgentTypeError(
            f"child_workflow: {name_of(target)} is dynamic. Give a workflow type as a string"
        )
    return workflow_type, run, inspect.cleandoc(cls.__doc__) if cls.__doc__ else inspect.getdoc(run)


def _takes_task(run: Callable[..., Any]) -> bool:
    """Tell whether a workflow's run method takes a `SubAgentTask`."""
    return SubAgentTask in get_type_hints(run).values()


def _call(
    owner: str, workflow_type: str, run: Callable[..., Any], options: ChildWorkflowOptions
) -> Callable[..., Any]:
    """Return a function with the run method's parameters plus Strands' tool context. It runs the workflow."""
    signature = inspect.signature(run, eval_str=True)
    parameters = list(signature.parameters.values())[1:]  # without self
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name == "agent":
            raise AgentTypeError(f"{owner}: a model cannot fill the parameter {parameter}. Name it otherwise")
    returns = get_type_hints(run).get("return")

    async def call(*, tool_context: "ToolContext[Any]", **arguments: Any) -> Any:
        args = [arguments[parameter.name] for parameter in parameters]
        try:
            value = await run_child(workflow_type, args, options, tool_context, arguments)
        except AgentCancelledError as error:
            return {"status": "error", "content": [{"text": str(error)}]}
        except ChildWorkflowError as error:
            raise from_tool_activity_error(cast("Any", error)) from error
        return bare_value(value, returns)

    call = functools.wraps(run)(call)
    call.__name__ = workflow_type
    context = inspect.Parameter(CONTEXT_PARAMETER, inspect.Parameter.KEYWORD_ONLY)
    setattr(call, "__signature__", signature.replace(parameters=[*parameters, context]))  # noqa: B010  # see above
    return call
