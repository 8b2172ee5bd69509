"""`child_workflow`: a child workflow as a tool of an agent, with a sub-agent or with any other work in it."""

import functools
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, cast, get_type_hints
from urllib.parse import quote

import strands
from strands import Agent, ToolContext
from strands.types.events import ToolResultEvent
from strands.types.tools import AgentTool, ToolGenerator, ToolSpec, ToolUse
from temporalio.exceptions import (
    CancelledError,
    ChildWorkflowError,
    FailureError,
    TemporalError,
    WorkflowAlreadyStartedError,
)
from typing_extensions import Unpack, override

from .._errors import AgentCancelledError, AgentTypeError, AgentValueError
from .._upstream.private_api import (
    keep_paused_child,
    paused_children,
    tool_interrupt_event,
    workflow_definition,
)
from .._upstream.run_local import run_local
from .._wire.failures import from_tool_activity_error
from .._wire.tool_context import CONTEXT_PARAMETER
from .._wire.values import decode, encode_any
from .activities import name_of
from .carry import ChildMemories
from .child_calls import run_child
from .child_options import ChildWorkflowOptions, child_options
from .failures import construction_error
from .sub_agent import SubAgentResult, SubAgentTask
from .tool_results import bare_value


def child_workflow(
    target: "type[Any] | Callable[..., Any] | str",
    *,
    name: str | None = None,
    description: str | None = None,
    inputSchema: dict[str, Any] | None = None,  # noqa: N803  # as in `strands.tool`
    preserve_context: bool = False,
    **options: Unpack[ChildWorkflowOptions],
) -> AgentTool:
    """Return a tool whose call runs a child workflow: a history and a task queue of its own.

    If the workflow's argument is a `SubAgentTask`, the workflow has a sub-agent, and the tool does what
    `agent.as_tool()` does: the model gives a text, the sub-agent's answer is the result, and what the
    sub-agent asks reaches the people who answer the calling agent. A workflow that is given by its name has a
    sub-agent too.

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
        **options: Options of the child: the keys of `temporalio.workflow.ChildWorkflowConfig` without
            `cron_schedule`. By default each call's child has an id of its own and no time-out.

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
            raise AgentTypeError(f"{owner}: a sub-agent's tool has one input, a text. Leave out inputSchema=")
        return _SubAgentTool(owner, workflow_type, name or workflow_type, text, preserve_context, checked)
    if preserve_context:
        raise AgentTypeError(
            f"{owner}: preserve_context=True is for a workflow with a sub-agent, whose run method takes a "
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
    """Return a workflow's type, its run method and its docstring. Of a name only the type is known."""
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


class _SubAgentTool(AgentTool):
    """A sub-agent in a child workflow, as a tool."""

    def __init__(
        self,
        owner: str,
        workflow_type: str,
        name: str,
        description: str,
        remembers: bool,
        options: ChildWorkflowOptions,
    ) -> None:
        super().__init__()
        self._owner = owner
        self._type = workflow_type
        self._name = name
        self._description = description
        self._remembers = remembers
        self._options = options

    @property
    @override
    def tool_name(self) -> str:
        """The tool's name for the model."""
        return self._name

    @property
    @override
    def tool_spec(self) -> ToolSpec:
        """The same spec as that of `agent.as_tool()`."""
        value = {"type": "string", "description": "The input to send to the agent tool."}
        schema = {"type": "object", "properties": {"input": value}, "required": ["input"]}
        return {"name": self._name, "description": self._description, "inputSchema": {"json": schema}}

    @property
    @override
    def tool_type(self) -> str:
        """The same as that of `agent.as_tool()`."""
        return "agent"

    @override
    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        """Run the child, and yield its result, or what its agent asks."""
        agent = invocation_state["agent"]
        context: ToolContext[Any] = kwargs.get("_tool_context") or ToolContext[Any](
            tool_use, agent, invocation_state, agent.cancel_signal
        )
        prefix = f"v1:child_workflow:{quote(tool_use['toolUseId'], safe='')}:"
        try:
            yield await self._outcome(context, prefix)
        except AgentCancelledError as error:
            yield _result(tool_use, "error", [{"text": f"Agent '{self._name}' cancelled"}], error)
        except ChildWorkflowError as error:
            reason: Exception = from_tool_activity_error(cast("Any", error))
            cancelled = isinstance(error.cause, CancelledError)
            text = f"Agent '{self._name}' cancelled" if cancelled else f"Agent error: {_message(reason)}"
            yield _result(tool_use, "error", [{"text": text}], reason)
        except (WorkflowAlreadyStartedError, _BusyError) as error:
            text = f"Agent '{self._name}' is already processing a request"
            yield _result(tool_use, "error", [{"text": text}], error)
        except Exception as error:  # noqa: BLE001  # as `agent.as_tool()` does: the model sees the error
            yield _result(tool_use, "error", [{"text": f"Agent error: {_message(error)}"}], error)

    async def _outcome(self, context: "ToolContext[Any]", prefix: str) -> Any:
        """Return the event with which the call ends: a result, or questions."""
        use, agent = context.tool_use, context.agent
        if not isinstance(agent, Agent):
            raise AgentTypeError(f"{self._owner}: {type(agent).__name__} cannot call it. Use a TemporalAgent")
        paused = SubAgentResult.from_value(paused_children(agent).get(use["toolUseId"]))
        answers = _answers(agent, prefix, paused.interrupts) if paused else []
        if paused and not answers:  # the answers were for other calls
            return tool_interrupt_event(use, paused.asked(prefix))
        ended = await self._run(context, _resumed(paused, answers) if paused else None)
        if ended.interrupts:
            keep_paused_child(agent, use["toolUseId"], asdict(ended))
            return tool_interrupt_event(use, ended.asked(prefix))
        keep_paused_child(agent, use["toolUseId"], None)
        if ended.cancelled:
            return _result(use, "error", [{"text": f"Agent '{self._name}' cancelled"}])
        return _result(use, "success", decode(ended.content))

    async def _run(self, context: "ToolContext[Any]", task: SubAgentTask | None) -> SubAgentResult:
        """Run the child on a task, by default on the call's input."""
        given: Any = context.tool_use["input"]
        arguments: dict[str, Any] = given if isinstance(given, dict) else {"input": given}
        memories, busy = run_local(ChildMemories), run_local(_Busy)
        if self._remembers and self in busy:
            raise _BusyError
        if task is None:
            prompt = str(arguments.get("input", ""))
            task = SubAgentTask(prompt, memories.get(self) if self._remembers else None)
        task = replace(task, keep=self._remembers)
        busy.add(self)
        try:
            value = await run_child(self._type, [task], self._options, context, arguments)
        finally:
            busy.discard(self)
        ended = SubAgentResult.from_value(value)
        if ended is None:  # a workflow that makes its answer itself
            return SubAgentResult(
                content=[{"text": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}]
            )
        if self._remembers and ended.carry is not None and not ended.interrupts:
            memories[self] = ended.carry
        return ended


def _resumed(paused: SubAgentResult, answers: list[dict[str, Any]]) -> SubAgentTask:
    return SubAgentTask(carry=paused.carry, answers=answers, origin=paused.origin)


class _Busy(set[AgentTool]):
    """The sub-agents of one run that work now. One with memory takes one request at a time."""


class _BusyError(Exception):
    """A sub-agent with memory got a second request."""


def _answers(agent: Agent, prefix: str, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the answers to a child's questions, as the child's agent gets them, encoded."""
    # The base class's method: a TemporalAgent refuses snapshots to its users.
    state = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]["interrupts"]
    given = {one["id"]: state.get(f"{prefix}{one['id']}", {}).get("response") for one in asked}
    return [
        {"interruptResponse": {"interruptId": id_, "response": encode_any(response)}}
        for id_, response in given.items()
        if response is not None
    ]


def _result(
    use: ToolUse, status: Literal["success", "error"], content: list[Any], error: Exception | None = None
) -> ToolResultEvent:
    return ToolResultEvent(
        {"toolUseId": use["toolUseId"], "status": status, "content": content}, exception=error
    )


def _message(error: BaseException) -> str:
    """Return an error's own text. Temporal puts the type before it."""
    if isinstance(error, ChildWorkflowError) and error.cause is not None:
        return _message(error.cause)
    return error.message if isinstance(error, FailureError) else str(error)
