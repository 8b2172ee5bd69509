"""The order of events around a cancelled agent, and the tools, models and hooks that it cuts short."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

from packages.core.tests.workflow.cancel_scenes import SOON, TOLD_FAST, until_cancelled
from strands import Agent, ToolContext, tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from temporalio import activity, workflow

from strands_temporal.activity import heartbeating
from strands_temporal.testing import (
    AgentFactory,
    Reply,
    ScriptedCall,
    ScriptedModel,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import activity_as_hook, activity_as_tool

# --- The order of events, plain and in a workflow: time decides nothing

Step: TypeAlias = Callable[[], Awaitable[None]]

under_way: "asyncio.Queue[None]" = asyncio.Queue()
"""Gets an item for each model call, tool and hook that waits."""

acted = asyncio.Event()
"""Set when the agent has been cancelled, or when the other event of the case has happened."""


async def until_acted() -> None:
    under_way.put_nowait(None)
    await acted.wait()


async def for_good() -> None:
    under_way.put_nowait(None)
    await asyncio.Event().wait()


async def begin() -> None:
    while not under_way.empty():
        under_way.get_nowait()
    acted.clear()


async def until_under_way() -> None:
    await asyncio.wait_for(under_way.get(), SOON)


async def until_two_are_under_way() -> None:
    await until_under_way()
    await until_under_way()


async def have_acted() -> None:
    acted.set()


STEPS: dict[str, Step] = {
    step.__name__: step for step in (begin, until_under_way, until_two_are_under_way, have_acted)
}


@activity.defn
async def take(step: str) -> None:
    await STEPS[step]()


async def do(step: Step) -> None:
    """Take a step. In a workflow an activity takes it, on the worker that has the models and tools."""
    if workflow.in_workflow():
        limit = timedelta(seconds=2 * SOON)
        await workflow.execute_activity(take, step.__name__, start_to_close_timeout=limit)
    else:
        await step()


# --- Tools, models, hooks and sub-agents, plain and durable


@tool(name="ends_late", context=True)
async def until_cancelled_plainly(name: str, tool_context: ToolContext[Any]) -> Any:
    """End late, or when cancelled.

    Args:
        name: Who runs.
    """
    await until_acted()
    if not tool_context.cancel_signal.is_set():  # a sub-agent's signal is set a moment later
        assert await asyncio.to_thread(tool_context.cancel_signal.wait, SOON)
    return {"status": "error", "content": [{"text": "Tool execution cancelled"}]}


@tool(name="ends_late")
async def until_acted_plainly(name: str) -> str:
    """End late, or when cancelled.

    Args:
        name: Who runs.
    """
    await until_acted()
    return f"{name} ended"


class Never:
    @activity.defn(name="never")
    async def ends_late(self, name: str) -> str:
        """End late, or when cancelled.

        Args:
            name: Who runs.
        """
        under_way.put_nowait(None)
        with heartbeating():
            await until_cancelled(name)
        return "not reached"


class Soon:
    @activity.defn(name="soon")
    async def ends_late(self, name: str) -> str:
        """End late, or when cancelled.

        Args:
            name: Who runs.
        """
        await until_acted()
        return f"{name} ended"


def slow_tool(make: AgentFactory) -> Any:
    return activity_as_tool(Never.ends_late, **TOLD_FAST) if make.durable else until_cancelled_plainly


def soon_tool(make: AgentFactory) -> Any:
    return activity_as_tool(Soon.ends_late) if make.durable else until_acted_plainly


def slow_model(first: Reply | None = None) -> Callable[[], ScriptedModel]:
    """Return a factory of models that answer the first turn slowly, after `first`.

    In a plain agent the first chunk comes after the cancellation, and only then does Strands see the
    cancellation. In a workflow the chunk never comes.
    """
    waits = iter([until_acted, for_good])

    def make() -> ScriptedModel:
        wait = next(waits)

        def script(call: ScriptedCall) -> Reply:
            if call.text.endswith("again"):
                return say("here again")
            if first is not None and call.number == 0:
                return first
            return say("too late").when(wait)

        return ScriptedModel(script)

    return make


def asks(*calls: Reply) -> Callable[[], ScriptedModel]:
    """Return a factory of models that ask for `calls` in the first turn, one by one."""

    def script(call: ScriptedCall) -> Reply:
        if call.text.endswith("again"):
            return say("here again")
        return calls[call.number] if call.number < len(calls) else say("answered")

    return lambda: ScriptedModel(script)


def two_tools(executor: Any) -> Callable[[AgentFactory], Agent]:
    return lambda make: make(tools=[slow_tool(make)], tool_executor=executor)


sub_agents: list[Agent] = []


async def until_it_reaches_the_sub_agent() -> None:
    """Wait for the cancellation in the plain agent, which passes it on by polling."""
    under_way.put_nowait(None)
    assert await asyncio.to_thread(sub_agents[0].cancel_signal.wait, SOON)


def with_sub_agent(tool_of_sub: Callable[[AgentFactory], Any] | None) -> Callable[[AgentFactory], Agent]:
    def build(make: AgentFactory) -> Agent:
        tools = [tool_of_sub(make)] if tool_of_sub else []
        sub = make(tools=tools, name="helper")
        sub_agents[:] = [sub]
        return make(tools=[sub.as_tool()])

    return build


class SlowHook(HookProvider):
    """A hook before each tool call that waits for the cancellation, as a plain function or an activity."""

    def __init__(self, make: AgentFactory) -> None:
        self.durable = make.durable

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        if self.durable:
            registry.add_callback(BeforeToolCallEvent, activity_as_hook(check))
        else:
            registry.add_callback(BeforeToolCallEvent, plain_check)


@activity.defn
async def check() -> None:
    await until_acted()


async def plain_check(event: BeforeToolCallEvent) -> None:
    await until_acted()


def stopping(agent: Agent) -> None:
    agent.cancel(message="Stopped by the user.")


def after_tools(agent: Agent) -> None:
    agent.cancel(message="Enough.", after_current_tools=True)


def after_tools_silently(agent: Agent) -> None:
    agent.cancel(after_current_tools=True)


TWO = use_tools([("ends_late", {"name": "a"}, "a"), ("ends_late", {"name": "b"}, "b")])
ONE = use_tool("ends_late", {"name": "a"})
HELP = use_tool("helper", {"input": "help"})


def sub_agent_script() -> Callable[[], ScriptedModel]:
    """The agent and its helper share a model. The prompt for help identifies the helper."""
    waits = iter([until_it_reaches_the_sub_agent, for_good])

    def make() -> ScriptedModel:
        wait = next(waits)

        def script(call: ScriptedCall) -> Reply:
            if call.text.endswith("again"):
                return say("here again")
            return say("too late").when(wait) if call.text == "help" else HELP

        return ScriptedModel(script)

    return make


def sub_agent_with_tool() -> ScriptedModel:
    def script(call: ScriptedCall) -> Reply:
        if call.text.endswith("again"):
            return say("here again")
        return ONE if call.text == "help" else HELP

    return ScriptedModel(script)
