"""For workflows: activities as tools and hooks of an agent, and the other names that workflow code needs.

from strands_temporal.workflow import activity_as_hook, activity_as_tool
"""

from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._errors import (
    AgentCancelledError,
    SandboxInterruptedError,
    SandboxLostError,
    SandboxNotRegisteredError,
    SandboxTooLargeError,
    SlowToolError,
    SteeringJudgeError,
)
from ._errors import MissingExtraError as _MissingExtraError
from ._upstream.cancel_signal import CancelSignal
from ._upstream.private_api import end_waiting
from ._wire.extras import as_missing_name as _as_missing_name
from ._wire.extras import refuse_name as _refuse_name
from ._wire.failures import from_tool_activity_error
from ._workflow.a2a import TemporalA2AAgent
from ._workflow.activities import execute_activity
from ._workflow.activity_hook import activity_as_hook
from ._workflow.activity_tool import activity_as_tool
from ._workflow.agent_workflow import AgentWorkflow
from ._workflow.answered_updates import DeduplicatedUpdates
from ._workflow.child_options import ChildWorkflowOptions
from ._workflow.child_workflow import child_workflow
from ._workflow.client_call_waits import is_client_call
from ._workflow.client_tool import client_tool, client_tool_names
from ._workflow.client_tools import ClientCalls
from ._workflow.conversation_managers import reduce_context
from ._workflow.conversation_options import ConversationOptions
from ._workflow.conversations import Conversation
from ._workflow.hand_over import TurnHandOver
from ._workflow.hosted_tools import TemporalTools
from ._workflow.memory_stores import TemporalMemoryStore
from ._workflow.options import (
    HEARTBEATING_TOOL_DEFAULTS,
    TOOL_DEFAULTS,
    merge_options,
)
from ._workflow.remote_tools import RemoteTool, RemoteTools
from ._workflow.sandbox_arguments import SecretRef
from ._workflow.sandboxes import TemporalSandbox
from ._workflow.steering import TemporalLLMSteeringHandler
from ._workflow.storages import TemporalStorage
from ._workflow.sub_agent import SubAgentResult, SubAgentTask
from ._workflow.team_carry import TeamCarry, carry_team, restore_team

if _TYPE_CHECKING:
    from ._workflow.harness import durable_harness as durable_harness


def __getattr__(name: str) -> _Any:
    if name == "durable_harness":  # imports strands-harness, an extra
        try:
            from ._workflow import harness
        except _MissingExtraError as error:
            raise (_as_missing_name(error) or error) from error.__cause__
        return harness.durable_harness
    return _refuse_name(__name__, name)


AnsweredUpdates = DeduplicatedUpdates
"""Deprecated: the former name of `DeduplicatedUpdates`."""

__all__ = [
    "HEARTBEATING_TOOL_DEFAULTS",
    "TOOL_DEFAULTS",
    "AgentCancelledError",
    "AgentWorkflow",
    "AnsweredUpdates",
    "CancelSignal",
    "ChildWorkflowOptions",
    "ClientCalls",
    "Conversation",
    "ConversationOptions",
    "DeduplicatedUpdates",
    "RemoteTool",
    "RemoteTools",
    "SandboxInterruptedError",
    "SandboxLostError",
    "SandboxNotRegisteredError",
    "SandboxTooLargeError",
    "SecretRef",
    "SlowToolError",
    "SteeringJudgeError",
    "SubAgentResult",
    "SubAgentTask",
    "TeamCarry",
    "TemporalA2AAgent",
    "TemporalLLMSteeringHandler",
    "TemporalMemoryStore",
    "TemporalSandbox",
    "TemporalStorage",
    "TemporalTools",
    "TurnHandOver",
    "activity_as_hook",
    "activity_as_tool",
    "carry_team",
    "child_workflow",
    "client_tool",
    "client_tool_names",
    "durable_harness",
    "end_waiting",
    "execute_activity",
    "from_tool_activity_error",
    "is_client_call",
    "merge_options",
    "reduce_context",
    "restore_team",
]
if _find_spec("strands_harness") is None:  # `import *` works without it
    __all__.remove("durable_harness")
