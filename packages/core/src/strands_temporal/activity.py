"""What runs in activities, on the worker: the seam around a model call, and the tools that siblings share.

from strands_temporal.activity import ModelCallInterceptor, ModelCallMiddleware, ModelRequest
"""

from ._adaptation import activity_name, note_mcp_errors
from ._agent_state import ActivityAgentState
from ._cut_short import is_cut_short
from ._factories import NamedFactories
from ._heartbeat import heartbeating
from ._middleware import ModelCallInterceptor, ModelCallMiddleware, ModelRequest, ModelStream
from ._sizes import check_result
from ._tool_calls import ProgressSink, ToolProgress, forward_progress
from ._tool_context import ToolContext, tool_context
from ._wire import decode, encode

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
