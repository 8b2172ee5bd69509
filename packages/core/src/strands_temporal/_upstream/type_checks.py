"""Gives modules that run in workflows Python's own `isinstance` and `issubclass` back.

While a workflow runs in any thread, temporalio (1.35) has its own two in the builtins, which look for a proxy
of the sandbox among the arguments: a call takes 2.4 µs instead of 0.1, also in threads without a workflow. An
agent with one tool call made 1,100 of these calls. Strands' modules and ours check for classes that they
import themselves, outside of the sandbox, where there is no proxy.
"""

import builtins
import importlib
import sys
from types import BuiltinFunctionType, ModuleType
from typing import Any

STRANDS_MODULES = (
    "strands.agent._agent_delegation",
    "strands.agent.agent",
    "strands.agent.agent_result",
    "strands.agent.conversation_manager.sliding_window_conversation_manager",
    "strands.event_loop.event_loop",
    "strands.event_loop.streaming",
    "strands.hooks.registry",
    "strands.middleware._registry",
    "strands.plugins._discovery",
    "strands.telemetry.tracer",
    "strands.tools.decorator",
    "strands.tools.executors._executor",
    "strands.tools.registry",
    "strands.tools.tools",
    "strands.types.content",
)
"""Modules of Strands that check types at each turn, model call or tool call, or for each agent."""

_OURS = tuple(f"strands_temporal.{folder}." for folder in ("_upstream", "_wire", "_workflow"))


def use_own_type_checks() -> None:
    """Set the two in `STRANDS_MODULES`, and in those of our modules that are loaded. Idempotent."""
    for name in ("isinstance", "issubclass"):
        own = _of_python(name)
        if own is None:
            continue
        for module in _modules():
            vars(module).setdefault(name, own)


def _of_python(name: str) -> Any:
    """Return a builtin function; None if what is in its place does not tell where it is."""
    found: Any = getattr(builtins, name)
    found = getattr(found, "orig", found)  # a workflow runs in another thread
    return found if type(found) is BuiltinFunctionType else None


def _modules() -> list[ModuleType]:
    ours = [module for name, module in list(sys.modules.items()) if name.startswith(_OURS)]
    return [*map(importlib.import_module, STRANDS_MODULES), *ours]
