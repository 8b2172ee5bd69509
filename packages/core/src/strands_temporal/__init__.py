"""Durable execution for Strands agents on Temporal.

In a workflow:

    self.agent = TemporalAgent(model="claude", start_to_close_timeout=timedelta(seconds=60))
    result = await self.agent.invoke_async("Hello")

On the worker or its client:

    StrandsPlugin(models={"claude": lambda: AnthropicModel(...)})

Other modules: `strands_temporal.workflow` (activities as tools and hooks), `strands_temporal.activity` (the
context of a tool call, for its activity), `strands_temporal.testing` (a test kit),
`strands_temporal.extension` (to write a plugin).
"""

from typing import NoReturn as _NoReturn

from ._client import ConversationClient
from ._client_tools import ClientTools
from ._composable import ComposablePlugin
from ._errors import (
    ActivityNotRegisteredError,
    AgentTypeError,
    AgentValueError,
    CarryTooLargeError,
    ClientToolError,
    ClientToolRefusedError,
    ClientToolsUnreachableError,
    ConversationBusyError,
    ConversationClosedError,
    ConversationError,
    ConversationFullError,
    MissingExtraError,
    MissingPluginError,
    ModelCallTooLargeError,
    PayloadTooLargeError,
    SnapshotsDisabledError,
    SynchronousCallError,
    TokenBudgetExceededError,
    TurnHandedOverError,
    TurnLimitReachedError,
    UnknownAgentError,
    UnloadableModuleError,
)
from ._plugin import StrandsPlugin
from ._upstream import process_end as _process_end
from ._upstream.no_plugin import explain_missing_plugin as _explain_missing_plugin
from ._wire.client_tools import ClientCall
from ._wire.conversations import (
    AgentDescription,
    ConversationCarry,
    ConversationEnd,
    ConversationStart,
    ConversationState,
    MessagesPage,
    TurnResult,
)
from ._wire.extras import refuse_name as _refuse_name
from ._worker.model_factories import ModelFactory
from ._worker.sandbox_factories import SandboxChain, SandboxFactory
from ._workflow.agent import TemporalAgent
from ._workflow.agent_definitions import AgentDefinition
from ._workflow.agent_options import TemporalAgentOptions
from ._workflow.carry import AgentCarry
from ._workflow.model import TemporalModel
from ._workflow.options import ActivityOptions

__all__ = [
    "ActivityNotRegisteredError",
    "ActivityOptions",
    "AgentCarry",
    "AgentDefinition",
    "AgentDescription",
    "AgentTypeError",
    "AgentValueError",
    "CarryTooLargeError",
    "ClientCall",
    "ClientToolError",
    "ClientToolRefusedError",
    "ClientTools",
    "ClientToolsUnreachableError",
    "ComposablePlugin",
    "ConversationBusyError",
    "ConversationCarry",
    "ConversationClient",
    "ConversationClosedError",
    "ConversationEnd",
    "ConversationError",
    "ConversationFullError",
    "ConversationStart",
    "ConversationState",
    "MessagesPage",
    "MissingExtraError",
    "MissingPluginError",
    "ModelCallTooLargeError",
    "ModelFactory",
    "PayloadTooLargeError",
    "SandboxChain",
    "SandboxFactory",
    "SnapshotsDisabledError",
    "StrandsPlugin",
    "SynchronousCallError",
    "TemporalAgent",
    "TemporalAgentOptions",
    "TemporalModel",
    "TokenBudgetExceededError",
    "TurnHandedOverError",
    "TurnLimitReachedError",
    "TurnResult",
    "UnknownAgentError",
    "UnloadableModuleError",
]


def __getattr__(name: str) -> _NoReturn:
    _refuse_name(__name__, name)


_process_end.settle_at_exit()
_explain_missing_plugin()
