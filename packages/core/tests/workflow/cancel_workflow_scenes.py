"""Agents that wait for something while their workflow is cancelled."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from packages.core.tests.workflow.cancel_scenes import (
    SOON,
    TOLD_FAST,
    TOLD_SURELY,
    agent,
    echo,
    started,
    stopped,
    until_cancelled,
)
from strands import Agent, tool
from strands.hooks import (
    AfterInvocationEvent,
    AfterToolsEvent,
    BeforeToolCallEvent,
    HookProvider,
    HookRegistry,
)
from strands.multiagent import GraphBuilder, Swarm
from strands.tools.executors import ConcurrentToolExecutor, SequentialToolExecutor
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.workflow import ActivityCancellationType

from strands_temporal import TemporalAgent
from strands_temporal.activity import heartbeating
from strands_temporal.testing import Reply, ScriptedCall, say
from strands_temporal.workflow import activity_as_hook, activity_as_tool


@activity.defn
async def never_ends(name: str) -> str:
    """Run until it is cancelled.

    Args:
        name: Who runs.
    """
    with heartbeating():
        await until_cancelled(name)
    return "not reached"


@activity.defn
async def cleans_up(name: str) -> str:
    """Run until it is cancelled, and end in an orderly way.

    Args:
        name: What to do then.
    """
    with heartbeating():
        try:
            await until_cancelled(name)
        except asyncio.CancelledError:
            if name == "stubborn":
                await started["released"].wait()
            if name == "fails":
                raise ApplicationError("the clean-up failed", non_retryable=True) from None
    return "cleaned up"


@activity.defn
async def hook_started(name: str) -> None:
    """A hook's activity that never ends by itself."""
    with heartbeating():
        await until_cancelled(name)


@tool
async def sleeper() -> str:
    """Sleep for an hour, in the workflow."""
    await asyncio.sleep(3600)
    return "slept"


class SlowGuard(HookProvider):
    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        guard: Any = activity_as_hook(hook_started, activity_input=lambda event: "hook", **TOLD_FAST)
        registry.add_callback(BeforeToolCallEvent, guard)


class Audit(HookProvider):
    """A hook on an "after" event. Strands also calls it while a cancellation is propagated."""

    def __init__(self, event_type: type[Any]) -> None:
        self.event_type = event_type

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        after: Any = activity_as_hook(audit, activity_input=lambda event: "audit", **TOLD_FAST)
        registry.add_callback(self.event_type, after)


@activity.defn
async def audit(name: str) -> None:
    stopped[name].set()


def slow_tool(**options: Any) -> Any:
    return activity_as_tool(never_ends, **TOLD_FAST, **options)


def sub_agent() -> Any:
    return agent("sub", name="helper").as_tool()


BUILD: dict[str, Callable[[], Any]] = {
    "model": agent,
    "plain agent": lambda: Agent(TemporalAgent("model", **TOLD_FAST).model, callback_handler=None),
    "tool, concurrent": lambda: agent(tools=[slow_tool()], tool_executor=ConcurrentToolExecutor()),
    "tool, sequential": lambda: agent(tools=[slow_tool()], tool_executor=SequentialToolExecutor()),
    "three tools": lambda: agent(tools=[slow_tool()]),
    "three tools, sequential": lambda: agent(tools=[slow_tool()], tool_executor=SequentialToolExecutor()),
    "hook": lambda: agent(tools=[echo], hooks=[SlowGuard()]),
    "hook after the tools": lambda: agent(tools=[slow_tool()], hooks=[Audit(AfterToolsEvent)]),
    "audited": lambda: agent(hooks=[Audit(AfterInvocationEvent)]),
    "timer": lambda: agent(tools=[sleeper]),
    "sub-agent": lambda: agent(tools=[sub_agent()]),
    "sub-agent, sequential": lambda: agent(tools=[sub_agent()], tool_executor=SequentialToolExecutor()),
    "graph": lambda: graph(None),
    "graph with a node timeout": lambda: graph(600),
    "swarm": lambda: Swarm([agent("sub", name="one")], node_timeout=600),
    "waits for the clean-up": lambda: agent(
        tools=[
            activity_as_tool(
                cleans_up,
                **TOLD_SURELY,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
        ]
    ),
    "abandons": lambda: agent(tools=[slow_tool(cancellation_type=ActivityCancellationType.ABANDON)]),
}


def graph(node_timeout: float | None) -> Any:
    builder = GraphBuilder()
    builder.add_node(agent("sub", name="one"), "one")
    builder.add_node(agent(name="two"), "two")
    builder.set_max_node_executions(10)
    if node_timeout is not None:
        builder.set_node_timeout(node_timeout)
    return builder.build()


def waits(name: str) -> Callable[[ScriptedCall], Reply]:
    return lambda call: say("too late").when(lambda: until_cancelled(name))


async def assert_ends_cancelled(handle: "WorkflowHandle[Any, Any]") -> None:
    with pytest.raises(WorkflowFailureError) as failure:
        await asyncio.wait_for(handle.result(), SOON)
    assert isinstance(failure.value.cause, CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
