"""The tool call that the current task runs. Handles such as `TemporalSandbox` read it.

Strands gives the context of a call to the tool, as an argument. A sandbox that the tool uses does not get it.
"""

import threading
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CurrentTool:
    """A tool call.

    Attributes:
        name: Name of the tool.
        tool_use_id: Id of the call.
        cancel_signal: The agent's cancel signal.
    """

    name: str
    tool_use_id: str
    cancel_signal: threading.Event


TOOL_PROGRESS: ContextVar[Any] = ContextVar("strands_temporal_tool_progress", default=None)
"""JSON value for the streaming package on the worker, which then publishes the progress of the tool that this
task calls. None publishes nothing."""

_current: ContextVar[CurrentTool | None] = ContextVar("strands_temporal_current_tool", default=None)


def current_tool() -> CurrentTool | None:
    """Return the tool call that this task runs; None outside of a tool."""
    return _current.get()


def tool_began(agent: Any, tool_use: Any) -> None:
    """Record that this task now runs a tool call. Strands calls its hooks in the task of the tool."""
    _current.set(CurrentTool(str(tool_use["name"]), str(tool_use.get("toolUseId")), agent.cancel_signal))


def tool_ended() -> None:
    """Record that this task no longer runs a tool call."""
    _current.set(None)
