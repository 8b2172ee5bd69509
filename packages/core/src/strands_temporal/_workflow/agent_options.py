"""The keyword arguments of `TemporalAgent`, for type checkers and editors.

At run time any argument of the installed `strands.Agent` is accepted; a test keeps this list in step with it.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel
from strands import BackgroundTasksConfig, InterventionHandler, Plugin, Sandbox
from strands.agent.conversation_manager import ConversationManager
from strands.agent.state import AgentState
from strands.hooks import HookCallback, HookProvider
from strands.memory import MemoryManager, MemoryManagerConfig
from strands.session.session_manager import SessionManager
from strands.storage import Storage
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from strands.types.agent import ConcurrentInvocationMode
from strands.types.content import Messages, SystemContentBlock
from strands.types.traces import AttributeValue
from temporalio.workflow import ActivityConfig

from .._errors import AgentTypeError, AgentValueError
from .carry import AgentCarry
from .model import TemporalModel


class TemporalAgentOptions(ActivityConfig, total=False):
    """Options of the model calls, and the arguments of `strands.Agent` except `model`."""

    streaming_topic: str | None
    streaming_batch_interval: timedelta
    carry: AgentCarry | None
    snapshots: Literal["refuse", "allow"]
    messages: Messages | None
    tools: list[Any] | None
    system_prompt: str | list[SystemContentBlock] | None
    structured_output_model: type[BaseModel] | None
    callback_handler: Callable[..., Any] | None
    conversation_manager: ConversationManager | None
    record_direct_tool_call: bool
    load_tools_from_directory: bool
    trace_attributes: Mapping[str, AttributeValue] | None
    baggage_attributes: Mapping[str, str] | None
    aux_model: TemporalModel | str | None
    agent_id: str | None
    name: str | None
    description: str | None
    state: AgentState | dict[str, Any] | None
    context_manager: Any  # Strands keeps the type of this argument private
    plugins: list[Plugin] | None
    hooks: list[HookProvider | HookCallback[Any]] | None
    interventions: list[InterventionHandler] | None
    session_manager: SessionManager | None
    memory_manager: MemoryManager | MemoryManagerConfig | None
    structured_output_prompt: str | None
    tool_executor: ConcurrentToolExecutor | SequentialToolExecutor | None
    retry_strategy: None
    concurrent_invocation_mode: ConcurrentInvocationMode
    checkpointing: bool
    sandbox: Sandbox | None
    storage: Storage | None
    background_tasks: bool | BackgroundTasksConfig | None


def snapshots_allowed(policy: object) -> bool:
    """Return whether users may take snapshots of an agent with `snapshots=policy`.

    Raises:
        AgentTypeError: If the policy is no string.
        AgentValueError: If it is another than "refuse" and "allow".
    """
    expected = "Give 'refuse' (the default: only Strands' own features take snapshots) or 'allow'"
    if not isinstance(policy, str):
        raise AgentTypeError(f"TemporalAgent: snapshots={policy!r} is not a string. {expected}")
    if policy not in ("refuse", "allow"):
        raise AgentValueError(f"TemporalAgent: snapshots={policy!r} is unknown. {expected}")
    return policy == "allow"
