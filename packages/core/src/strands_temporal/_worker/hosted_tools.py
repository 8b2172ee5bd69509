"""The activities that list and call tools hosted on the worker.

Tools have names, as models do: `StrandsPlugin(tools={name: factory})` on the worker, `TemporalTools(name)` in
the workflow.
"""

import asyncio
import types
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NoReturn, cast

from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.interrupt import Interrupt, InterruptException
from strands.models import Model
from strands.tools.registry import ToolRegistry
from strands.types.exceptions import ToolProviderException
from strands.types.tools import AgentTool, ToolResult
from temporalio import activity
from temporalio.exceptions import ApplicationError
from typing_extensions import override

from .._wire.failure_sizes import LONGEST_TEXT, text_of
from .._wire.failures import in_place_of
from .._wire.model_call import RESULT_TOO_LARGE
from .._wire.sizes import LARGEST_PROGRESS
from .._wire.tool_call import (
    HOSTED_TOOL_RESULT,
    INVOKE_TOOL_ACTIVITY,
    LIST_TOOLS_ACTIVITY,
    TOOL_FACTORY_FAILED,
    HostedToolListing,
    HostedToolSpec,
)
from .._wire.tool_context import ToolContext
from .._wire.values import encode, is_json, json_size
from .factories import NamedFactories, checked_mapping
from .heartbeat import heartbeating
from .results import check_result
from .tool_context import note_cancel

HostedTool = Any
"""A tool, a module of tools, or a factory that returns one or several tools. `Agent(tools=...)` accepts the
same tools and modules."""


class ToolSet:
    """The tools that one factory returned, by name."""

    def __init__(self, made: Any) -> None:
        registry = ToolRegistry()
        registry.process_tools(cast("list[Any]", made if isinstance(made, list) else [made]))
        self.tools: dict[str, AgentTool] = dict(registry.registry)
        if not self.tools:
            raise TypeError(f"{made!r} is not a tool of Strands")


class HostedTools:
    """`list_hosted_tools` and `invoke_tool`, for the tools of one plugin.

    Args:
        tools: Tools, modules or factories by name. None means no tools.

    Raises:
        TypeError: If `tools` is not a mapping, a name is not a string, or a value is neither a tool nor
            callable.
        ValueError: If a name is empty.
    """

    def __init__(self, tools: Mapping[str, HostedTool] | None) -> None:
        option = "StrandsPlugin(tools=...)"
        self.given = dict(checked_mapping(option, tools, "some_tool", "tools"))
        self._sets = NamedFactories[ToolSet](
            "tool",
            option,
            {name: _factory(name, tool) for name, tool in self.given.items()},
            ToolSet,
            TOOL_FACTORY_FAILED,
        )

    @property
    def names(self) -> list[str]:
        """The known names, sorted."""
        return self._sets.names

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The activities; none if there are no tools."""
        return [self.list_hosted_tools, self.invoke_tool] if self.given else []

    def clear(self) -> None:
        """Drop the tools that factories returned. Called when the worker ends."""
        self._sets.clear()

    @activity.defn(name=LIST_TOOLS_ACTIVITY)
    async def list_hosted_tools(self, patterns: list[str]) -> HostedToolListing:
        """Return the specs of the tools under the names that match `patterns`, in the patterns' order."""
        with heartbeating():
            names = [name for pattern in patterns for name in self._matching(pattern)]
            listed = [
                HostedToolSpec(name, encode(tool.tool_spec))
                for name in dict.fromkeys(names)
                for tool in (await self._sets.get_async(name)).tools.values()
            ]
        listing = HostedToolListing(listed)
        await check_result(
            f"The list of tools {patterns}", listing, RESULT_TOO_LARGE, "Name fewer in one TemporalTools"
        )
        return listing

    @activity.defn(name=INVOKE_TOOL_ACTIVITY)
    async def invoke_tool(self, name: str, tool_context: ToolContext) -> dict[str, Any]:
        """Call a tool as an agent on this worker would, and return Strands' `ToolResult`."""
        tools = (await self._sets.get_async(name)).tools
        use: Any = tool_context.tool_use
        if use["name"] not in tools:
            raise ApplicationError(
                f"{name!r} in StrandsPlugin(tools=...) has no tool {use['name']!r}. Known: {sorted(tools)}",
                type="ValueError",
                non_retryable=True,
            )
        agent = _host(tools, tool_context)
        try:
            result = await _result(tools[use["name"]], agent, tool_context)
        except asyncio.CancelledError:
            Agent.cancel(agent)  # a tool in a thread watches the agent's signal
            raise
        note_cancel(tool_context, agent.asked_to_cancel)
        return result

    def _matching(self, pattern: str) -> list[str]:
        matching = [name for name in self.names if name == pattern or fnmatchcase(name, pattern)]
        if not matching:
            raise ApplicationError(
                f"Unknown tool {pattern!r}. Register it in StrandsPlugin(tools=...) on the worker. Known: "
                f"{self.names}",
                type="ValueError",
                non_retryable=True,
            )
        return matching


def _factory(name: str, tool: object) -> Callable[[], ToolSet]:
    """Return the factory of a tool set for the user's value, which is a tool, a module or a factory."""
    if isinstance(tool, (AgentTool, types.ModuleType)):
        return lambda: ToolSet(tool)
    if not callable(tool):
        raise TypeError(
            f"StrandsPlugin(tools=...): {name!r} is {tool!r}, neither a tool nor a factory. Give a function "
            "decorated with @strands.tool, a module with TOOL_SPEC, or `lambda: ...` that makes one"
        )
    return lambda: ToolSet(tool())


async def _result(tool: AgentTool, agent: Agent, context: ToolContext) -> dict[str, Any]:
    """Stream the tool as Strands' executor does. Report its events, and return the last event's result.

    The events are reported as progress.

    An event that does not fit into a heartbeat is not reported.
    """
    use: Any = context.tool_use
    state: dict[str, Any] = {
        **context.invocation_state,
        "agent": agent,
        "model": agent.model,
        "messages": agent.messages,
        "system_prompt": agent.system_prompt,
    }
    of_strands = state.keys() - context.invocation_state.keys()
    last: Any = None
    async for event in tool.stream(use, state):
        last = event
        if isinstance(event, dict) and "tool_stream_event" in event:
            data: Any = cast("dict[str, Any]", event)["tool_stream_event"].get("data")
            if is_json(data) and json_size(data) <= LARGEST_PROGRESS:
                context.report_progress(data)
    interrupts = getattr(last, "interrupts", None)
    if interrupts:
        raise InterruptException(interrupts[0])
    result = cast("ToolResult", getattr(last, "tool_result", last))
    exception = getattr(last, "exception", None)
    if exception is not None:
        _fail(result, exception)
    context.invocation_state.clear()
    context.invocation_state.update({key: value for key, value in state.items() if key not in of_strands})
    return dict(result)


def _fail(result: ToolResult, exception: Exception) -> NoReturn:
    """Raise a failure for the tool's exception. The failure's details hold the error result of Strands.

    The retry policy applies, except to a ValueError. A ValueError is about the arguments, so the call would
    fail again.
    """
    details = {HOSTED_TOOL_RESULT: encode(result)} if is_json(result) else {}
    if json_size(details) > LONGEST_TEXT:
        details = {}
    failure = ApplicationError(
        text_of(exception),
        details,
        type=type(exception).__name__,
        non_retryable=isinstance(exception, ValueError),
    )
    raise in_place_of(exception, failure)


class _Host(Agent):
    """The agent that a tool finds on the worker."""

    asked_to_cancel: dict[str, Any] | None = None

    @override
    def cancel(self, *, message: str | None = None, after_current_tools: bool = False) -> None:
        """Cancel this agent, and record the arguments for the agent in the workflow."""
        super().cancel(message=message, after_current_tools=after_current_tools)
        self.asked_to_cancel = {"message": message, "after_current_tools": after_current_tools}


def _host(tools: Mapping[str, AgentTool], context: ToolContext) -> _Host:
    """Return the agent that a tool finds on the worker. It has the agent's state, but no conversation."""
    agent = _Host(
        model=_NoModel(), tools=list(tools.values()), state=context.agent_state, callback_handler=None
    )
    strands_context = StrandsToolContext[Any](cast("Any", context.tool_use), agent, {})
    for name, answer in context.answers.items():
        _ask(strands_context, name).response = answer  # the tool finds it when it asks
    return agent


def _ask(context: "StrandsToolContext[Any]", name: str) -> Interrupt:
    """Register an interrupt with the agent, and return the interrupt."""
    try:
        context.interrupt(name)
    except InterruptException as asked:
        return asked.interrupt
    raise RuntimeError(f"The interrupt {name!r} already has an answer")


class _NoModel(Model):
    """The model of the agent that a hosted tool finds. It refuses calls: there is no model on the worker."""

    @override
    def update_config(self, **model_config: Any) -> None:
        self._refuse()

    @override
    def get_config(self) -> dict[str, Any]:
        return {}

    @override
    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        self._refuse()
        yield

    @override
    async def structured_output(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        self._refuse()
        yield

    def _refuse(self) -> NoReturn:
        raise ToolProviderException(
            "A tool hosted on the worker cannot use the agent's model. Make the tool with a model of its own "
            "in StrandsPlugin(tools=...)"
        )
