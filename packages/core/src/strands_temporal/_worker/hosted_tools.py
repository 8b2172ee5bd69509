"""The activities that list and call tools hosted on the worker.

Tools have names, as models do: `StrandsPlugin(tools={name: factory})` on the worker, `TemporalTools(name)` in
the workflow.
"""

import asyncio
import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NoReturn, cast

from strands import Agent
from strands.interrupt import InterruptException
from strands.tools.registry import ToolRegistry
from strands.types.tools import AgentTool, ToolResult
from temporalio import activity
from temporalio.exceptions import ApplicationError

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
from .tool_hosts import ToolHosts

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
        self._hosts = ToolHosts()
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
        """Drop the tools that factories returned, and what they keep. Called when the worker ends."""
        self._hosts.clear()
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
        with self._hosts.host(name, tools, tool_context) as agent:
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
    if isinstance(tool, types.ModuleType):
        _check_module(name, tool)
    if isinstance(tool, (AgentTool, types.ModuleType)):
        return lambda: ToolSet(tool)
    if not callable(tool):
        raise TypeError(
            f"StrandsPlugin(tools=...): {name!r} is {tool!r}, neither a tool nor a factory. Give a function "
            "decorated with @strands.tool, a module with TOOL_SPEC, or `lambda: ...` that makes one"
        )
    _check_factory(name, tool)
    return lambda: ToolSet(tool())


def _check_module(name: str, module: types.ModuleType) -> None:
    """Refuse a module without a tool, such as the vended `mcp_router`, which only has `make_mcp_router`."""
    names = vars(module)
    if "TOOL_SPEC" in names or any(isinstance(value, AgentTool) for value in names.values()):
        return
    makers = sorted(made for made in names if made.startswith("make_"))
    advice = f" Write `lambda: {makers[0]}(...)`, from {module.__name__}" if makers else ""
    raise TypeError(f"StrandsPlugin(tools=...): {name!r} is {module.__name__}, which holds no tool.{advice}")


def _check_factory(name: str, factory: Callable[..., Any]) -> None:
    """Refuse a factory that needs arguments, such as Strands' `make_mcp_router` itself."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # a callable without a signature cannot be checked
        return
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in variable]
    if needed:
        made = getattr(factory, "__name__", repr(factory))
        arguments = ", ".join(f"{argument}=..." for argument in needed)
        raise TypeError(
            f"StrandsPlugin(tools=...): {name!r} is {made}, which needs {needed} and gets no arguments. "
            f"Write `lambda: {made}({arguments})`; if it is a tool, decorate it with @strands.tool"
        )


async def _result(tool: AgentTool, agent: Agent, context: ToolContext) -> dict[str, Any]:
    """Stream the tool as Strands' executor does. Report its events as progress. Return the last one's result.

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
