"""`TemporalMCPClient`: an MCP server in the workflow. Each listing and each call is an activity.

Strands loads a tool provider while an agent is built, where nothing can be awaited. This one is a hook
provider as well: it gives the agent its tools at `BeforeInvocationEvent` (or before each model call), when an
activity can be awaited; Strands reads the tools after that.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, cast

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
from strands.types.tools import AgentTool, ToolResult, ToolUse
from temporalio import workflow
from temporalio.exceptions import ApplicationError
from typing_extensions import Unpack, override

from strands_temporal import ActivityOptions, AgentTypeError, AgentValueError
from strands_temporal.activity import decode, encode
from strands_temporal.workflow import (
    TOOL_DEFAULTS,
    execute_activity,
    from_tool_activity_error,
    merge_options,
)

from ._tools import MCPTool, Membership, Placeholder
from ._types import (
    CalledTool,
    CallTool,
    ListTools,
    ToolListing,
    call_tool_activity,
    list_tools_activity,
)

MCP_DEFAULTS: ActivityOptions = {
    **TOOL_DEFAULTS,
    # The activities heartbeat by themselves, so that a cancelled workflow stops a call in flight and a dead
    # worker is noticed.
    "heartbeat_timeout": timedelta(seconds=15),
}


class TemporalMCPClient(ToolProvider, HookProvider):
    """A handle of an MCP server that a worker runs, for agents in a workflow.

    Give it to a `TemporalAgent` in `tools=`, or to a plain `strands.Agent` in `hooks=`. The agent gets the
    server's tools when it is first invoked. Its counterpart on the worker is
    `MCPPlugin(mcp_clients={name: factory})`; prefix, filters and callbacks belong to the client made there.

    Args:
        server: Name of the server in `MCPPlugin(mcp_clients=...)`.
        cache_tools: Which list of tools the agent gets. None, the default: the one that the worker took when
            it started. True: a fresh one, once for this handle. False: a fresh one before each model call.
            Either way it is recorded in the workflow's history.
        **options: Activity options of every listing and call: the keys of
            `temporalio.workflow.ActivityConfig` without `activity_id`. Not given, each may take 1 minute,
            heartbeats within 15 seconds, and is tried 3 times; a call's summary is the name of its tool.

    Raises:
        AgentTypeError: If the name or `cache_tools` is of a wrong type, or an option is unknown or of a wrong
            type.
        AgentValueError: If the name is empty, or an option has a value that cannot work.
    """

    def __init__(
        self, server: str, *, cache_tools: bool | None = None, **options: Unpack[ActivityOptions]
    ) -> None:
        _check(server, cache_tools)
        self.server = server
        self.cache_tools = cache_tools
        self._options = merge_options(f"TemporalMCPClient({server!r})", MCP_DEFAULTS, options)
        self._lock = asyncio.Lock()  # two agents that share the handle list once
        self._loop: asyncio.AbstractEventLoop | None = None
        self._digest: str | None = None
        self._tools: list[AgentTool] | None = None

    def __repr__(self) -> str:
        return f"TemporalMCPClient({self.server!r})"

    def __iter__(self) -> Iterator[AgentTool]:
        """Yield what stands for the tools while an agent is built: Strands takes an iterable apart."""
        yield Placeholder(self)

    @override
    async def load_tools(self, **kwargs: Any) -> Sequence[AgentTool]:
        """Return the server's tools. In a workflow; elsewhere only what stands for them.

        An agent that has this handle does it by itself.

        Raises:
            ApplicationError: If the server is unavailable.
            AgentValueError: If no worker knows the server.
        """
        if not workflow.in_workflow():
            return list(self)
        async with self._lock:
            loop = asyncio.get_running_loop()  # each workflow, and each replay of it, has its own
            if self._loop is not loop:  # a handle kept outside of workflows must list in each
                self._loop, self._tools, self._digest = loop, None, None
            if self._tools is None or self.cache_tools is False:
                await self._list()
            return list(self._tools or ())

    @override
    def add_consumer(self, consumer_id: Any, **kwargs: Any) -> None:
        """Do nothing: the session belongs to the worker."""

    @override
    def remove_consumer(self, consumer_id: Any, **kwargs: Any) -> None:
        """Do nothing: the session belongs to the worker."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        """Give one agent the tools at the right moments, before the user's hooks."""
        membership = Membership(self)
        registry.add_callback(AgentInitializedEvent, membership.take_place)
        if self.cache_tools is False:
            registry.add_callback(BeforeModelCallEvent, membership.refresh, order=HookOrder.SDK_FIRST)
        else:
            registry.add_callback(BeforeInvocationEvent, membership.join, order=HookOrder.SDK_FIRST)
        # An agent that resumes from an interrupt in a new run calls tools before any model.
        registry.add_callback(BeforeToolsEvent, membership.join, order=HookOrder.SDK_FIRST)

    async def call(
        self, tool: str, tool_use: ToolUse, cancel_signal: threading.Event | None = None
    ) -> ToolResult:
        """Call a tool, by its name on the server, in an activity, and return its result or its own error.

        Args:
            tool: The tool's name on the server.
            tool_use: The model's request.
            cancel_signal: Set, it cancels the call.

        Raises:
            AgentCancelledError: If `cancel_signal` was set before the call had a result.
            Exception: What made the call fail outside the tool, after the last attempt.
            asyncio.CancelledError: If the activity was cancelled.
        """
        options = {"summary": tool_use["name"], **self._options}
        called: CalledTool = await execute_activity(
            call_tool_activity(self.server),
            [CallTool(tool, tool_use["toolUseId"], encode(tool_use["input"]))],
            cast("ActivityOptions", options),
            result_type=CalledTool,
            restore=from_tool_activity_error,
            cancel_signal=cancel_signal,
        )
        return cast("ToolResult", decode(called.result))

    async def _list(self) -> None:
        request = ListTools(fresh=self.cache_tools is not None, known=self._digest)
        try:
            listing: ToolListing = await execute_activity(
                list_tools_activity(self.server), [request], self._options, result_type=ToolListing
            )
        except ApplicationError as error:
            if error.type != "NotFoundError":  # what the SDK says of an activity that the worker lacks
                raise
            raise AgentValueError(
                f"No worker knows the MCP server {self.server!r}. Register its factory in "
                f"MCPPlugin(mcp_clients={{{self.server!r}: factory}}) on the worker. {error.message}"
            ) from error
        if listing.tools is not None:
            self._tools = [MCPTool(self, tool) for tool in listing.tools]
            self._digest = listing.digest


def _check(server: object, cache_tools: object) -> None:
    if not isinstance(server, str):
        raise AgentTypeError(
            f"TemporalMCPClient: server={server!r} is not a string. Give the name that "
            "MCPPlugin(mcp_clients=...) on the worker has"
        )
    if not server:
        raise AgentValueError("TemporalMCPClient: server is empty. Give a name in MCPPlugin(mcp_clients=...)")
    if cache_tools is not None and not isinstance(cache_tools, bool):
        raise AgentTypeError(
            f"TemporalMCPClient({server!r}): cache_tools={cache_tools!r} is none of None, True and False"
        )
