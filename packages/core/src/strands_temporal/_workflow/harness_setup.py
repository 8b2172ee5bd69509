"""Prepares strands-harness for workflows, if it is imported. Its import takes time."""

import sys
from typing import Any

from strands import Agent
from strands.hooks import AfterToolCallEvent, BeforeInvocationEvent, HookOrder

from .._upstream.harness import HARNESS, HarnessParts, adapt_harness
from .._upstream.harness_errors import forget_noted, raise_noted
from .agent import TemporalAgent
from .harness_checks import check_built_in_tools, check_harness
from .harness_code import CodeError, CodeRuntimeError, CodeSyntaxError, run_code


def prepare_harness() -> None:
    """Adapt strands-harness, if something has imported it. Idempotent."""
    if HARNESS in sys.modules:
        adapt_harness(
            HarnessParts(_agent, check_harness, run_code, CodeSyntaxError, CodeRuntimeError, CodeError)
        )


def _agent(**arguments: Any) -> Agent:
    check_built_in_tools(arguments.get("tools"), arguments.get("sandbox"))
    agent = TemporalAgent(**arguments)
    agent.hooks.add_callback(BeforeInvocationEvent, _begin, order=HookOrder.SDK_FIRST)
    agent.hooks.add_callback(AfterToolCallEvent, _end_without_sandbox, order=HookOrder.SDK_FIRST)
    return agent


def _begin(event: BeforeInvocationEvent) -> None:
    forget_noted(event.agent.sandbox)


def _end_without_sandbox(event: AfterToolCallEvent) -> None:
    """End the run if a tool has shown the model that its sandbox cannot work.

    Raises:
        Exception: The noted error of the sandbox.
    """
    raise_noted(event.agent.sandbox)
