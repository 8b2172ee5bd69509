"""Lets a conversation manager wait for a model, and raises the refusals that Strands only logs.

Strands calls a conversation manager synchronously: from a hook before a model call, and after an overflow
(1.62: conversation_manager.py:109 and agent/agent.py:1915). An agent creates its hook registry itself
(agent/agent.py:514). In a workflow it gets a different registry, whose hooks await the manager's model calls.
"""

import sys
from collections.abc import Callable
from typing import Any

from strands.hooks import HookRegistry
from temporalio import workflow

from .._errors import SynchronousCallError
from .stand_in import StandIn

WAITS_PATCH = "strands-temporal-manager-waits"
"""Patch id. In histories without it, a conversation manager that had to wait for a model was refused, and
Strands swallowed the refusal if the agent's context had not overflowed."""

_make_hooks: list[Callable[[], HookRegistry]] = []


def use_hooks(make: Callable[[], HookRegistry]) -> None:
    """Set the function that makes the hook registry of each agent that is built in a workflow."""
    _make_hooks[:] = [make]


class WorkflowHookRegistry(StandIn):
    """Strands' `HookRegistry`. In a workflow, a call of it creates the registry that `use_hooks` set."""

    def __call__(self) -> HookRegistry:
        if _make_hooks and workflow.in_workflow():
            return _make_hooks[0]()
        return self._original()


COMPRESSION_FAILED = "proactive compression failed"
"""Beginning of the log message for an error that a manager's hook swallows.

1.62: conversation_manager.py:144.
"""

SUMMARY_FAILED = "Proactive summarization failed"
"""Beginning of the log message for an error that the summarizing manager swallows. The error is the message's
last value (1.62: summarizing_conversation_manager.py:147)."""


class ManagerLogger(StandIn):
    """The logger of Strands' conversation managers. In a workflow it raises a swallowed refusal.

    Strands swallows every error of a compression that no overflow requires. If a workflow refused a call of
    the manager, the conversation would stay as it is, and nobody would learn why.
    """

    def debug(self, message: str, *args: Any, **kwargs: Any) -> None:
        self._original.debug(message, *args, **kwargs)
        if message.startswith(COMPRESSION_FAILED):
            _raise_refusal(sys.exc_info()[1])

    def warning(self, message: str, *args: Any, **kwargs: Any) -> None:
        self._original.warning(message, *args, **kwargs)
        if message.startswith(SUMMARY_FAILED):
            _raise_refusal(args[-1])


def _raise_refusal(error: object) -> None:
    # In a history of an older release the refusal was swallowed.
    if isinstance(error, SynchronousCallError) and workflow.in_workflow() and workflow.patched(WAITS_PATCH):
        raise error
