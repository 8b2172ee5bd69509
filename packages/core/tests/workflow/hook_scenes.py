"""Shared by the tests of hooks: callbacks by event, and tools, one of them both plain and an activity."""

import inspect
from collections.abc import Callable
from typing import Any

from strands import tool
from strands.hooks import (
    AfterInvocationEvent,
    AfterModelCallEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    AgentInitializedEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
    HookProvider,
    HookRegistry,
    MessageAddedEvent,
)
from temporalio import activity

from strands_temporal.testing import AgentFactory, ScriptedCall, say
from strands_temporal.workflow import activity_as_tool


@activity.defn
async def double(number: int) -> int:
    """Double a number."""
    return number * 2


@tool(name="double")
def plain_double(number: int) -> int:
    """Double a number."""
    return number * 2


AGENTS_EVENTS: list[type[Any]] = [
    AgentInitializedEvent,
    BeforeInvocationEvent,
    MessageAddedEvent,
    BeforeModelCallEvent,
    AfterModelCallEvent,
    BeforeToolsEvent,
    BeforeToolCallEvent,
    AfterToolCallEvent,
    AfterToolsEvent,
    AfterInvocationEvent,
]


@tool
def triple(number: int) -> int:
    """Triple a number."""
    return number * 3


@tool
def fragile(number: int) -> int:
    """Fail on what is not even."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def tools_of(make: AgentFactory) -> list[Any]:
    return [activity_as_tool(double) if make.durable else plain_double, triple, fragile]


class Hooks(HookProvider):
    """Callbacks by event, with their log and counts."""

    def __init__(self, *callbacks: tuple[type[Any], Callable[["Hooks", Any], Any]], order: float = 0) -> None:
        self.callbacks = callbacks
        self.order = order
        self.log: list[Any] = []
        self.seen = 0

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        for event_type, callback in self.callbacks:
            registry.add_callback(event_type, self._bound(callback), order=self.order)

    def _bound(self, callback: Callable[["Hooks", Any], Any]) -> Any:
        if inspect.iscoroutinefunction(callback):

            async def asynchronous(event: Any) -> None:
                await callback(self, event)

            return asynchronous

        def synchronous(event: Any) -> None:
            callback(self, event)

        return synchronous

    def first(self) -> bool:
        """Tell whether this is the first time."""
        self.seen += 1
        return self.seen == 1


def echo(call: ScriptedCall) -> Any:
    return say(f"read: {call.text}")
