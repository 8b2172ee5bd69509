"""The `ToolContext` of the running activity."""

import copy
from contextvars import ContextVar
from typing import Any

from typing_extensions import override

from .._wire.model_call import REQUEST_STATE
from .._wire.tool_context import ToolCall, ToolContext
from .invocation_state import changes

_ASK_FOR_IT = (
    "Give the activity a parameter `tool_context: ToolContext` (from strands_temporal.activity) and call it "
    "through activity_as_tool"
)


class _CallOnly(ToolContext):
    """The context for an activity without the parameter. It has only the data of the call's header."""

    def __init__(self, tool_use: dict[str, Any]) -> None:
        object.__setattr__(self, "tool_use", tool_use)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(f"There is no tool context here that knows {name!r}. {_ASK_FOR_IT}")

    @override
    def __repr__(self) -> str:
        return f"ToolContext(tool_use={self.tool_use!r})"


_current: ContextVar[ToolContext | None] = ContextVar("strands_temporal_tool_context", default=None)


def tool_context() -> ToolContext:
    """Return the context of the tool call that this activity answers.

    If the activity does not have a parameter `tool_context: ToolContext`, the workflow does not send its
    input, invocation state, agent state and answers. Reading those raises a RuntimeError that says so.

    Raises:
        RuntimeError: Outside of an activity that is called as a tool.
    """
    context = _current.get()
    if context is None:
        raise RuntimeError(f"There is no tool context here. {_ASK_FOR_IT}")
    return context


def remember_context(args: Any) -> None:
    """Make `tool_context()` return the context among an activity's arguments in that activity."""
    _current.set(next((arg for arg in args if isinstance(arg, ToolContext)), None))


def begin_call(args: Any, call: ToolCall, tool_use: dict[str, Any]) -> ToolContext:
    """Return the context of a tool call: the one among the activity's arguments, or a smaller one.

    `tool_context()` returns it from now on.
    """
    remember_context(args)
    context = _current.get() or _CallOnly(tool_use)
    object.__setattr__(context, "_call", call)
    _current.set(context)
    return context


def remember_state(context: ToolContext) -> None:
    """Remember the invocation state of a whole context, for `changed_state` to compare with."""
    if not isinstance(context, _CallOnly):
        context.invocation_state.setdefault(REQUEST_STATE, {})
        object.__setattr__(context, "_invocation_state_before", copy.deepcopy(context.invocation_state))


def current_call() -> ToolCall | None:
    """Return the tool call that this activity answers, or None."""
    context = _current.get()
    return None if context is None else context._call  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def changed_state(context: ToolContext) -> dict[str, Any] | None:
    """Return the activity's changes for the agent, as in `ToolAnswer.state`."""
    state = context._agent_state  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # ours, in this module
    before = context._invocation_state_before  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
    changed = changes(before, context.invocation_state) if before is not None else []
    parts = {**((state and state.patch()) or {}), "invocation_state": changed, "cancel": context._cancel}  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
    return {name: part for name, part in parts.items() if part} or None


def note_cancel(context: ToolContext, asked: dict[str, Any] | None) -> None:
    """Remember that a tool ends its agent's loop: `asked` is the arguments of `Agent.cancel`."""
    object.__setattr__(context, "_cancel", asked)
