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

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from ._upstream import process_end as _process_end
from ._upstream.no_plugin import explain_missing_plugin as _explain_missing_plugin

if _TYPE_CHECKING:
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
    from ._worker.memory_bound import MemoryBoundWorker
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
    "MemoryBoundWorker",
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

_PLACES = {
    "_client": ("ConversationClient",),
    "_client_tools": ("ClientTools",),
    "_composable": ("ComposablePlugin",),
    "_errors": (
        "ActivityNotRegisteredError",
        "AgentTypeError",
        "AgentValueError",
        "CarryTooLargeError",
        "ClientToolError",
        "ClientToolRefusedError",
        "ClientToolsUnreachableError",
        "ConversationBusyError",
        "ConversationClosedError",
        "ConversationError",
        "ConversationFullError",
        "MissingExtraError",
        "MissingPluginError",
        "ModelCallTooLargeError",
        "PayloadTooLargeError",
        "SnapshotsDisabledError",
        "SynchronousCallError",
        "TokenBudgetExceededError",
        "TurnHandedOverError",
        "TurnLimitReachedError",
        "UnknownAgentError",
        "UnloadableModuleError",
    ),
    "_plugin": ("StrandsPlugin",),
    "_wire.client_tools": ("ClientCall",),
    "_wire.conversations": (
        "AgentDescription",
        "ConversationCarry",
        "ConversationEnd",
        "ConversationStart",
        "ConversationState",
        "MessagesPage",
        "TurnResult",
    ),
    "_worker.memory_bound": ("MemoryBoundWorker",),
    "_worker.model_factories": ("ModelFactory",),
    "_worker.sandbox_factories": (
        "SandboxChain",
        "SandboxFactory",
    ),
    "_workflow.agent": ("TemporalAgent",),
    "_workflow.agent_definitions": ("AgentDefinition",),
    "_workflow.agent_options": ("TemporalAgentOptions",),
    "_workflow.carry": ("AgentCarry",),
    "_workflow.model": ("TemporalModel",),
    "_workflow.options": ("ActivityOptions",),
}
"""The modules of the public names. Each is imported when a name is first asked for: a process that only talks
to workflows needs neither what they run nor what a worker runs."""

_MODULES = {name: module for module, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> _Any:
    if name in _MODULES:
        # As the import statement: the workflow sandbox passes no module through to `importlib.import_module`.
        value = getattr(__import__(f"{__name__}.{_MODULES[name]}", fromlist=[name]), name)
        globals()[name] = value
        return value
    from ._wire.extras import refuse_name

    return refuse_name(__name__, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_process_end.settle_at_exit()
_explain_missing_plugin()
