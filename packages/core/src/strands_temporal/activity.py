"""For activities: the context of the tool call that an activity answers, its progress and its heartbeats.

from strands_temporal.activity import ToolContext, tool_context

The names for plugins (`NamedFactories`, `ModelCallMiddleware`, `check_result`, ...) have moved to
`strands_temporal.extension`. They stay here until 1.0.
"""

from ._upstream.private_api import activity_name, note_mcp_errors
from ._wire.agent_state import ActivityAgentState
from ._wire.tool_context import ToolContext
from ._wire.values import decode, encode
from ._worker.cut_short import is_cut_short
from ._worker.factories import NamedFactories
from ._worker.heartbeat import heartbeating
from ._worker.middleware import ModelCallInterceptor, ModelCallMiddleware, ModelRequest, ModelStream
from ._worker.results import check_result
from ._worker.tool_calls import ProgressSink, ToolProgress, forward_progress
from ._worker.tool_context import tool_context

__all__ = [
    "ActivityAgentState",
    "ModelCallInterceptor",
    "ModelCallMiddleware",
    "ModelRequest",
    "ModelStream",
    "NamedFactories",
    "ProgressSink",
    "ToolContext",
    "ToolProgress",
    "activity_name",
    "check_result",
    "decode",
    "encode",
    "forward_progress",
    "heartbeating",
    "is_cut_short",
    "note_mcp_errors",
    "tool_context",
]
