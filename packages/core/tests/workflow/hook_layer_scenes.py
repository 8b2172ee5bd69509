"""A tool, a policy service, and a model that calls the tool, for tests of hooks around a call."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from packages.core.tests.workflow.hook_scenes import double
from strands import tool
from strands.agent.agent_result import AgentResult
from temporalio import activity, workflow

from strands_temporal.testing import AgentFactory, Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import activity_as_tool, execute_activity

CACHES = pytest.mark.parametrize("cache", [None, 0], ids=["cached", "no cache"])


@tool(name="double")
async def plain_double(number: int) -> int:
    """Double a number."""
    return number * 2


@activity.defn
async def is_allowed(number: int) -> bool:
    """Ask a policy service."""
    return number < 10


async def ask_policy(number: int) -> bool:
    if not workflow.in_workflow():
        return await is_allowed(number)
    options: Any = {"start_to_close_timeout": timedelta(seconds=20)}
    return await execute_activity(is_allowed, [number], options)


def tools_of(make: AgentFactory) -> list[Any]:
    return [activity_as_tool(double) if make.durable else plain_double]


def echo(call: ScriptedCall) -> Reply:
    return say(f"{call.system_prompt or ''} read: {call.text}")


def calls(number: int = 3) -> Callable[[], ScriptedModel]:
    return lambda: ScriptedModel(use_tool("double", {"number": number}), *[echo] * 3)


def with_cache(options: dict[str, Any], cache: int | None) -> dict[str, Any]:
    return options if cache is None else {**options, "max_cached_workflows": cache}


def answers(result: AgentResult, response: Any) -> Any:
    return [
        {"interruptResponse": {"interruptId": interrupt.id, "response": response}}
        for interrupt in result.interrupts or ()
    ]
