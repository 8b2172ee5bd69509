"""Gives an agent the tools that run on a worker, at the handle's place among the agent's other tools.

Strands loads a tool provider while an agent is built, when nothing can be awaited. `RemoteTools` is also a
hook provider: it gives the agent the tools at `BeforeInvocationEvent` (or before each model call), where an
activity can be awaited. Strands reads the agent's tools after that event.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from strands.hooks import (
    AgentInitializedEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolsEvent,
    HookOrder,
    HookProvider,
    HookRegistry,
)
from strands.tools import ToolProvider
from strands.types.tools import AgentTool, ToolGenerator, ToolSpec, ToolUse
from temporalio import workflow
from temporalio.exceptions import ApplicationError
from typing_extensions import override

from .._errors import AgentValueError
from .._upstream.callers import called_by_strands
from .._upstream.run_local import run_local
from .._wire.event_forms import checked_tool_spec
from .activities import UNREGISTERED_TYPES, execute_activity
from .options import ActivityOptions
from .summaries import summary_of

T = TypeVar("T")


class RemoteTools(ToolProvider, HookProvider):
    """Tools that a worker lists, for agents in workflows.

    The base of `TemporalTools` and of the mcp package's `TemporalMCPClient`. A subclass lists them in
    `list_tools`, with an activity, so that a replay sees the same tools.

    Args:
        each_call: Whether to list the tools before each model call. Otherwise this handle lists them once per
            run.
    """

    def __init__(self, *, each_call: bool = False) -> None:
        self._each_call = each_call

    @property
    @abstractmethod
    def owner(self) -> str:
        """Display name of the tools' owner, for error messages: "MCP server 'search'"."""
        ...

    @property
    @abstractmethod
    def clash_hint(self) -> str:
        """Advice for the error that a tool's name is taken, as a sentence."""
        ...

    @property
    def repeated_hint(self) -> str:
        """Advice for the error that the agent has these tools from another handle, as a sentence."""
        return "Give the agent one handle for them, or tools with different names"

    @property
    def outside_hint(self) -> str:
        """End of an error message: the replacement of this handle for an agent outside of workflows."""
        return "give the agent the tools themselves"

    @abstractmethod
    async def list_tools(self, known: bool) -> Sequence[AgentTool] | None:
        """List the tools, in a workflow. Return None if they are `known` and have not changed."""
        ...

    async def listing(
        self,
        activity: str,
        argument: Any,
        options: ActivityOptions,
        result_type: type[T],
        unknown: str,
        *,
        listed: str = "tools",
    ) -> T:
        """Return the list of tools that a worker's activity returns.

        Args:
            activity: Activity type.
            argument: The activity's argument.
            options: Activity options.
            result_type: Type of the listing.
            unknown: Error message, in whole sentences, if the worker does not have the activity.
            listed: What is listed, for the activity's summary.

        Raises:
            AgentValueError: If the worker does not have the activity.
            ApplicationError: If the activity failed.
        """
        try:
            with_summary: ActivityOptions = {"summary": summary_of("list", listed), **options}
            return await execute_activity(activity, [argument], with_summary, result_type=result_type)
        except ApplicationError as error:
            if error.type not in UNREGISTERED_TYPES:
                raise
            raise AgentValueError(f"{unknown} {error.message}") from error

    def __iter__(self) -> Iterator[AgentTool]:
        """Yield a placeholder for the tools while an agent is built: Strands unpacks an iterable."""
        yield Placeholder(self)

    @override
    async def load_tools(self, **kwargs: Any) -> Sequence[AgentTool]:
        """Return the tools. Outside of a workflow, return only the placeholder.

        An agent with this handle calls this method automatically.
        """
        if not workflow.in_workflow():
            return list(self)
        listing = run_local(_Listings).setdefault(self, _Listing())
        async with listing.lock:
            if listing.tools is None or self._each_call:
                listed = await self.list_tools(known=listing.tools is not None)
                listing.tools = listing.tools if listed is None else listed
            return list(listing.tools or ())

    @override
    def add_consumer(self, consumer_id: Any, **kwargs: Any) -> None:
        """Do nothing: the tools belong to the worker."""

    @override
    def remove_consumer(self, consumer_id: Any, **kwargs: Any) -> None:
        """Do nothing: the tools belong to the worker."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Give one agent the tools at the right moments, before the user's hooks."""
        membership = Membership(self)
        registry.add_callback(AgentInitializedEvent, membership.take_place)
        if self._each_call:
            registry.add_callback(BeforeModelCallEvent, membership.refresh, order=HookOrder.SDK_FIRST)
        else:
            registry.add_callback(BeforeInvocationEvent, membership.join, order=HookOrder.SDK_FIRST)
        # An agent that resumes from an interrupt in a new run calls tools before it calls a model.
        registry.add_callback(BeforeToolsEvent, membership.join, order=HookOrder.SDK_FIRST)


class _Listing:
    """The tools of one handle in one run, None before the first listing.

    Agents of one run that share the handle list the tools once. Runs that share the handle each list the
    tools themselves, because an `asyncio.Lock` works on one event loop only.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.tools: Sequence[AgentTool] | None = None


class _Listings(WeakKeyDictionary[RemoteTools, _Listing]):
    """The listings of all handles in one run."""


class RemoteTool(AgentTool):
    """One tool of a `RemoteTools`, in the workflow. A subclass calls it in `stream`.

    Args:
        provider: The handle that listed the tool.
        spec: The tool's spec, with the name that the model sees.
    """

    def __init__(self, provider: RemoteTools, spec: ToolSpec) -> None:
        super().__init__()
        self.provider = provider
        self._spec: ToolSpec = checked_tool_spec(f"The spec of a tool of {provider!r}", spec)

    @property
    @override
    def tool_name(self) -> str:
        """The tool's name for the model."""
        return self._spec["name"]

    @property
    @override
    def tool_spec(self) -> ToolSpec:
        """The tool's spec."""
        return self._spec

    @property
    @override
    def tool_type(self) -> str:
        """The same as for Strands' own tools."""
        return "python"


class Placeholder(AgentTool):
    """Marks the place of a `RemoteTools`' tools among an agent's tools while the agent is built."""

    def __init__(self, provider: RemoteTools) -> None:
        super().__init__()
        self.provider = provider

    @property
    @override
    def tool_name(self) -> str:
        return f"{self.provider!r} {id(self)}"  # unique

    @property
    @override
    def tool_spec(self) -> ToolSpec:
        """Refuse: an agent that reads the placeholder's spec will never get the tools.

        Background tasks read all schemas while the agent is built, so they get an empty one.
        """
        if called_by_strands(1, "strands.background_tasks"):
            return {"name": self.tool_name, "description": "", "inputSchema": {"json": {}}}
        raise AgentValueError(
            f"{self.provider!r} cannot give its tools to this agent, which does not run the handle's hooks. "
            "Use a TemporalAgent, or give a plain strands.Agent hooks=[...] with the handle; outside a "
            f"workflow {self.provider.outside_hint}"
        )

    @property
    @override
    def tool_type(self) -> str:
        return "python"

    @override
    def stream(self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any) -> ToolGenerator:
        raise NotImplementedError


class Membership:
    """The tools of one `RemoteTools` in one agent."""

    def __init__(self, provider: RemoteTools) -> None:
        self._provider = provider
        self._following: set[str] = set()  # tools that the agent got after these
        self._own: list[str] | None = None  # these tools in the agent; None before the first listing

    def take_place(self, event: AgentInitializedEvent) -> None:
        """Remove the placeholder and remember its place."""
        registry = event.agent.tool_registry.registry
        for name, tool in list(registry.items()):
            if isinstance(tool, Placeholder) and tool.provider is self._provider:
                names = list(registry)
                self._following = set(names[names.index(name) + 1 :])
                del registry[name]

    async def join(self, event: Any) -> None:
        """Give the agent the tools if it does not have them yet."""
        if self._own is None:
            await self.refresh(event)

    async def refresh(self, event: Any) -> None:
        """Replace the agent's tools from this handle with the handle's current tools."""
        tools = await self._provider.load_tools()
        registry: dict[str, AgentTool] = event.agent.tool_registry.registry
        own = set(self._own or ())
        place = next((i for i, name in enumerate(registry) if name in own or name in self._following), None)
        others = [(name, tool) for name, tool in registry.items() if name not in own]
        _check_names(self._provider, tools, dict(others))
        mine = [(tool.tool_name, tool) for tool in tools]
        place = len(others) if place is None else place
        registry.clear()
        registry.update([*others[:place], *mine, *others[place:]])
        self._own = [name for name, _ in mine]


def _check_names(provider: RemoteTools, tools: Sequence[AgentTool], others: Mapping[str, AgentTool]) -> None:
    """Refuse tools if the agent already has their names. Strands treats `-` and `_` as the same.

    Raises:
        AgentValueError: If a name is taken. The message names both owners and what to do.
    """
    taken = {_normal(name): tool for name, tool in others.items()}
    for tool in tools:
        other = taken.setdefault(_normal(tool.tool_name), tool)
        if other is tool:
            continue
        owner = other.provider.owner if isinstance(other, RemoteTool) else "another tool"
        hint = provider.repeated_hint if owner == provider.owner else provider.clash_hint
        raise AgentValueError(
            f"The agent would have two tools {tool.tool_name!r}: of {provider.owner} and of "
            f"{owner}{_differently_written(tool, other)}. {hint}"
        )


def _differently_written(tool: AgentTool, other: AgentTool) -> str:
    return "" if tool.tool_name == other.tool_name else f", there written {other.tool_name!r}"


def _normal(name: str) -> str:
    return name.replace("-", "_")
