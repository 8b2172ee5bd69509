"""The tool that `child_workflow` returns for a sub-agent. The sub-agent runs in a child workflow."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, cast
from urllib.parse import quote

from strands import Agent, ToolContext
from strands.types.events import ToolResultEvent
from strands.types.tools import AgentTool, ToolGenerator, ToolSpec, ToolUse
from temporalio.exceptions import (
    CancelledError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
)
from temporalio.workflow import ChildWorkflowHandle
from typing_extensions import override

from .._errors import AgentCancelledError, AgentTypeError
from .._upstream.delegation import DELEGATE_DESCRIPTION, DelegateTool
from .._upstream.private_api import tool_interrupt_event
from .._upstream.run_local import run_local
from .._upstream.sub_agents import keep_paused_child, paused_children
from .._wire.failures import from_tool_activity_error
from .._wire.values import decode, encode_any
from .carry import ChildMemories
from .child_calls import run_child
from .child_options import ChildWorkflowOptions
from .decided_calls import told
from .run_notes import ChildAgentNote, tell_note
from .sub_agent import SubAgentResult, SubAgentTask
from .tool_context import context_of_call


class SubAgentTool(AgentTool):
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
        """Run the child, and yield its result or its agent's questions."""
        context = context_of_call(tool_use, invocation_state, kwargs)
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
        task = paused and SubAgentTask(
            carry=paused.carry,
            answers=answers,
            origin=paused.origin,
            decided=told(agent, use["toolUseId"]),
        )
        ended = await self._run(context, task)
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
        task = replace(task, keep=self._remembers, delegate=isinstance(self, DelegateTool))
        busy.add(self)
        try:
            with _ToldChild(context, self._name) as told_child:
                value = await run_child(
                    self._type, [task], self._options, context, arguments, started=told_child.started
                )
                told_child.ended = ended = SubAgentResult.from_value(value)
        finally:
            busy.discard(self)
        if ended is None:  # the workflow did not return a `SubAgentResult`
            return SubAgentResult(
                content=[{"text": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}]
            )
        if self._remembers and ended.carry is not None and not ended.interrupts:
            memories[self] = ended.carry
        return ended


class DelegatedSubAgentTool(SubAgentTool, DelegateTool):
    """A `SubAgentTool` with `delegate=True`: Strands ends the caller's turn with the sub-agent's answer."""

    @property
    @override
    def tool_spec(self) -> ToolSpec:
        """The same spec as that of `agent.as_tool(delegate=True)`."""
        spec = super().tool_spec
        return {**spec, "description": spec["description"] + DELEGATE_DESCRIPTION}


class _ToldChild:
    """Tells plugins of a sub-agent's child workflow: when it has started, and when the block ends.

    Args:
        context: The call.
        name: The tool's name.

    Attributes:
        ended: What the child returned; None if that is no `SubAgentResult`.
    """

    def __init__(self, context: "ToolContext[Any]", name: str) -> None:
        self.ended: SubAgentResult | None = None
        self._call = context.agent, name, context.tool_use["toolUseId"]
        self._note: ChildAgentNote | None = None

    def __enter__(self) -> "_ToldChild":
        return self

    def started(self, child: ChildWorkflowHandle[Any, Any]) -> None:
        """Tell that the child has started."""
        agent, name, id_ = self._call
        self._note = ChildAgentNote(
            cast("Agent", agent), name, id_, child.id, child.first_execution_run_id or ""
        )
        tell_note(self._note)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if self._note is None:
            return
        ended = self.ended or SubAgentResult()
        if error is None:
            reason = "cancelled" if ended.cancelled else ended.stop_reason
            tell_note(replace(self._note, stop_reason=reason, usage=ended.usage))
        elif isinstance(error, (AgentCancelledError, asyncio.CancelledError)) or (
            isinstance(error, ChildWorkflowError) and isinstance(error.cause, CancelledError)
        ):
            tell_note(replace(self._note, stop_reason="cancelled"))
        elif isinstance(error, ChildWorkflowError):
            tell_note(replace(self._note, error=from_tool_activity_error(cast("Any", error))))
        else:
            tell_note(replace(self._note, error=error))


class _Busy(set[AgentTool]):
    """The sub-agents of one run that are working now. A sub-agent with memory takes one request at a time."""


class _BusyError(Exception):
    """A sub-agent with memory got a second request while it was working."""


def _answers(agent: Agent, prefix: str, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the answers to a child's questions, in Strands' form for the child's agent, encoded."""
    # Calls the base class's method, because a TemporalAgent refuses snapshots to its users.
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
    """Return an error's message without the type, which Temporal's `str()` puts before it."""
    if isinstance(error, ChildWorkflowError) and error.cause is not None:
        return _message(error.cause)
    return error.message if isinstance(error, FailureError) else str(error)
