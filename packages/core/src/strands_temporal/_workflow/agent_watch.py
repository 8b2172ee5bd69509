"""Watches the agents of a run: records, counts and logs what they do, and makes the summaries of their calls.

`TemporalModel` reports model calls; hooks report turns and tool calls. Watching changes only the results of
tools that cannot run in a workflow (`tool_failures.py`). It schedules nothing that a replay would compare.
"""

import contextlib
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from strands import Agent
from strands.hooks import (
    AfterInvocationEvent,
    AfterToolCallEvent,
    BaseHookEvent,
    BeforeInvocationEvent,
    BeforeToolCallEvent,
    HookCallback,
    HookOrder,
)
from strands.types.tools import ToolUse
from temporalio import workflow

from .._errors import AgentCancelledError
from .._upstream.run_local import run_local
from .._wire.model_call import DEFAULT_MODEL, ModelResult
from .agent_views import AgentViews
from .begun_agents import agent_begins
from .current_tool import tool_began, tool_ended
from .log_lines import log_line, logs_lines, rounded
from .summaries import summary_of, tool_summary
from .tool_failures import explain_tool_failure
from .usage import NO_AGENT, ModelUsage, WorkflowUsage, usage_in

TEvent = TypeVar("TEvent", bound=BaseHookEvent)

UNNAMED = "Strands Agents"
"""The name that Strands gives to an agent without one (1.62: agent/agent.py:172)."""

NO_RESULT = "none"
"""Stands for the stop reason of a turn that an error or a cancellation ended."""

UNKNOWN = "unknown"
"""Stands for a status or a stop reason that Strands does not define. A user's tool or hook may write any."""

UNKNOWN_TOOL = "(unknown)"
"""Stands in metrics for a tool that the agent does not have."""

_TURN_ENDED = {"interrupt": "the agent waits for answers", NO_RESULT: "the turn ended without a result"}

_STATUSES = ("success", "error")

_watched: WeakKeyDictionary[Agent, bool] = WeakKeyDictionary()
"""All agents that have the hooks below, and whether their summaries show arguments. An agent that was created
at import may run in several workflows, so the hooks find their view in the current run."""


def watch(agent: Agent, *, show_arguments: bool = False) -> None:
    """Watch an agent from now on. Later calls for the same agent do nothing."""
    if agent in _watched:
        return
    _watched[agent] = show_arguments
    # Last: if another hook raises, Strands starts no turn, and calls no hook for its end (1.62:
    # agent/agent.py:1629).
    agent.hooks.add_callback(BeforeInvocationEvent, _turn_began, order=HookOrder.SDK_LAST)
    agent.hooks.add_callback(AfterToolCallEvent, explain_tool_failure, order=HookOrder.SDK_FIRST)
    # Last, when the user's hooks have decided which tool runs, and what its result is.
    agent.hooks.add_callback(BeforeToolCallEvent, _tool_began, order=HookOrder.SDK_LAST)
    agent.hooks.add_callback(AfterToolCallEvent, _tool_ended, order=HookOrder.SDK_LAST)
    agent.hooks.add_callback(AfterInvocationEvent, _turn_ended, order=HookOrder.SDK_LAST)


def is_watched(agent: Agent) -> bool:
    """Tell whether an agent is watched."""
    return agent in _watched


def watch_from_call(agent: Agent) -> None:
    """Watch a plain agent from its first model call on. Its turn has begun."""
    if agent not in _watched:
        watch(agent)
        run_local(AgentViews).of(agent).turns.append(workflow.time())
        agent_begins(agent)


def model_call_summary(agent: Agent | None, model: str | None) -> str:
    """Return the summary of a model call's activity: the model, the agent if it has a name, and its turn."""
    if agent is None:
        return summary_of(model or DEFAULT_MODEL)
    turn = run_local(AgentViews).of(agent).turn
    return summary_of(model or DEFAULT_MODEL, None if agent.name == UNNAMED else agent.name, f"turn {turn}")


def tool_call_summary(agent: object, tool_use: Any, *, group: str | None = None) -> str:
    """Return the summary of a tool call's activity: its group and name, and on opt-in its arguments.

    Args:
        agent: The agent that calls the tool.
        tool_use: The call.
        group: What the tool belongs to, for example an MCP server.
    """
    shows = isinstance(agent, Agent) and _watched.get(agent, False)
    return tool_summary(tool_use["name"], tool_use.get("input") if shows else None, group=group)


def note_attempt(agent: object, tool_use_id: str, attempt: int) -> None:
    """Remember how many attempts the activity of a tool call took."""
    if isinstance(agent, Agent):
        run_local(AgentViews).of(agent).attempts[tool_use_id] = attempt


class ModelCallView:
    """A model call in progress. `answered` is called with its answer."""

    def __init__(self, agent: Agent | None, model: str) -> None:
        self._agent = agent
        self._model = model
        self._began = workflow.time()

    def answered(self, result: ModelResult) -> None:
        """Count and log the answer."""
        usage = usage_in(result.events)
        name = NO_AGENT if self._agent is None else self._agent.name
        run_local(WorkflowUsage).add_model_call(name, self._model, usage)
        if logs_lines():
            log_line(
                "the model answered",
                **self._about(),
                attempt=result.attempt,
                seconds=rounded(workflow.time() - self._began),
                **_tokens(usage),
            )

    def failed(self, error: Exception) -> None:
        """Log the failure."""
        if logs_lines():
            cancelled = isinstance(error, AgentCancelledError)
            log_line(
                "the model call was cancelled" if cancelled else "the model call failed",
                **self._about(),
                seconds=rounded(workflow.time() - self._began),
                error=None if cancelled else type(error).__name__,
            )

    def _about(self) -> dict[str, Any]:
        return {**about(self._agent), "model": self._model}


@contextlib.contextmanager
def model_call(agent: Agent | None, model: str | None) -> Generator[ModelCallView]:
    """Show during the block that the agent calls a model."""
    name = model or DEFAULT_MODEL
    call = ModelCallView(agent, name)
    models = [] if agent is None else run_local(AgentViews).of(agent).models
    models.append(name)
    try:
        yield call
    except Exception as error:
        call.failed(error)
        raise
    finally:
        models.remove(name)


def about(agent: Agent | None) -> dict[str, Any]:
    """Return an agent's values for a log line."""
    if agent is None:
        return {}
    return {"agent": agent.name, "turn": run_local(AgentViews).of(agent).turn}


def _in_workflows(callback: Callable[[TEvent], None]) -> HookCallback[TEvent]:
    """Return a callback that does nothing outside of a workflow, where an agent's tools can be called."""

    def called(event: TEvent) -> None:
        if workflow.in_workflow():
            callback(event)

    return called


@_in_workflows
def _turn_began(event: BeforeInvocationEvent) -> None:
    views = run_local(AgentViews)
    view = views.of(event.agent)
    views.note_turn(view)
    view.turns.append(workflow.time())
    view.resumes += view.waiting and not event.messages
    view.waiting = False
    agent_begins(event.agent)


@_in_workflows
def _turn_ended(event: AfterInvocationEvent) -> None:
    agent, result = event.agent, event.result
    view = run_local(AgentViews).of(agent)
    began = view.turns.pop() if view.turns else workflow.time()
    reason = NO_RESULT if result is None else str(result.stop_reason or UNKNOWN)
    questions = len(result.interrupts or ()) if result is not None else 0
    view.waiting = reason == "interrupt"
    if not view.turns and reason in (NO_RESULT, "interrupt"):
        view.tools.clear()  # a tool that pauses its agent, or is cancelled, has no end
    if not view.waiting:
        run_local(WorkflowUsage).add_turn(agent.name, reason)
    if logs_lines():
        latest = agent.event_loop_metrics.latest_agent_invocation
        log_line(
            _TURN_ENDED.get(reason, "the turn ended"),
            **about(agent),
            stop_reason=reason,
            questions=questions or None,
            seconds=rounded(workflow.time() - began),
            **({} if latest is None else _tokens(ModelUsage.of_strands(latest.usage))),
        )


@_in_workflows
def _tool_began(event: BeforeToolCallEvent) -> None:
    if not event.cancel_tool:
        use = event.tool_use
        run_local(AgentViews).of(event.agent).tools[_id_of(use)] = use["name"], workflow.time()
        tool_began(event.agent, use)


@_in_workflows
def _tool_ended(event: AfterToolCallEvent) -> None:
    agent, use = event.agent, event.tool_use
    tool_ended()
    view = run_local(AgentViews).of(agent)
    _, began = view.tools.pop(_id_of(use), ("", None))
    attempt = view.attempts.pop(_id_of(use), None)
    result: Any = event.result  # a user's hook may have written anything
    status: Any = cast("dict[str, Any]", result).get("status") if isinstance(result, dict) else None
    if status not in _STATUSES:
        status = UNKNOWN
    known = event.selected_tool is not None or use["name"] in agent.tool_registry.registry
    # A model may make names up: each would be a metric of its own.
    run_local(WorkflowUsage).add_tool_call(agent.name, use["name"] if known else UNKNOWN_TOOL, status)
    if logs_lines():
        log_line(
            "the tool call was refused" if event.cancel_message else "the tool call ended",
            **about(agent),
            tool=use["name"],
            status=status,
            attempt=attempt,
            seconds=None if began is None else rounded(workflow.time() - began),
        )


def _id_of(tool_use: ToolUse) -> str:
    return str(tool_use.get("toolUseId"))


def _tokens(usage: ModelUsage) -> dict[str, int]:
    return {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
