"""The `ToolContext` of the running activity."""

import copy
from contextvars import ContextVar
from typing import Any

from typing_extensions import override

from .._wire.model_call import REQUEST_STATE
from .._wire.tool_context import CallRecord, ToolCall, ToolContext, record_of
from .invocation_state import changes

_ASK_FOR_IT = (
    "Give the activity a parameter `tool_context: ToolContext` (from strands_temporal.activity) and call it "
    "through activity_as_tool"
)


class _NotSentError(RuntimeError, AttributeError):
    """A part of the context was not sent. Also an AttributeError, so that `hasattr` and `getattr` work."""


class _CallOnly(ToolContext):
    """The context of an activity without the parameter `tool_context`. Has only the call's header data."""

    def __init__(self, tool_use: dict[str, Any]) -> None:
        self.tool_use = tool_use
        self._record = CallRecord()

    def __getattr__(self, name: str) -> Any:
        raise _NotSentError(f"There is no tool context here that has {name!r}. {_ASK_FOR_IT}")

    @override
    def __repr__(self) -> str:
        return f"ToolContext(tool_use={self.tool_use!r})"


_current: ContextVar[ToolContext | None] = ContextVar("strands_temporal_tool_context", default=None)


def tool_context() -> ToolContext:
    """Return the context of the tool call that this activity answers.

    If the activity does not have a parameter `tool_context: ToolContext`, the workflow does not send the
    call's input, invocation state, agent state and answers. Reading one of these raises a RuntimeError that
    says so.

    Raises:
        RuntimeError: Outside of an activity that is called as a tool.
    """
    context = _current.get()
    if context is None:
        raise RuntimeError(f"There is no tool context here. {_ASK_FOR_IT}")
    return context


def remember_context(args: Any) -> None:
    """Store the context among an activity's arguments, for `tool_context()` to return in that activity."""
    _current.set(next((arg for arg in args if isinstance(arg, ToolContext)), None))


def begin_call(args: Any, call: ToolCall, tool_use: dict[str, Any]) -> ToolContext:
    """Return the context of a tool call: from the activity's arguments, or one with only the header's data.

    `tool_context()` returns this context from now on.
    """
    remember_context(args)
    context = _current.get() or _CallOnly(tool_use)
    record_of(context).call = call
    _current.set(context)
    return context


def remember_state(context: ToolContext) -> None:
    """Remember the invocation state, if the context has one, for `changed_state` to compare with."""
    if not isinstance(context, _CallOnly):
        context.invocation_state.setdefault(REQUEST_STATE, {})
        record_of(context).invocation_state = copy.deepcopy(context.invocation_state)


def current_call() -> ToolCall | None:
    """Return the tool call that this activity answers, or None."""
    context = _current.get()
    return None if context is None else record_of(context).call


def changed_state(context: ToolContext) -> dict[str, Any] | None:
    """Return the activity's changes for the agent, as in `ToolOutcome.state`."""
    record = record_of(context)
    state, before = record.agent_state, record.invocation_state
    changed = changes(before, context.invocation_state) if before is not None else []
    parts = {**((state and state.patch()) or {}), "invocation_state": changed, "cancel": record.cancel}
    return {name: part for name, part in parts.items() if part} or None


def note_cancel(context: ToolContext, asked: dict[str, Any] | None) -> None:
    """Remember the arguments with which a tool called `Agent.cancel`; None if it did not."""
    record_of(context).cancel = asked
