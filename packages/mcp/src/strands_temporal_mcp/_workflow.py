"""`TemporalMCPClient`: an MCP server in the workflow. Each listing and each call is an activity.

Core's `RemoteTools` decides when an agent gets the tools, and their place among its other tools.
"""

import threading
from collections.abc import Sequence
from typing import Any, cast
from weakref import WeakKeyDictionary

from strands.types.events import ToolResultEvent
from strands.types.tools import AgentTool, ToolGenerator, ToolResult, ToolSpec, ToolUse
from temporalio.exceptions import FailureError
from typing_extensions import Unpack, override

from strands_temporal import ActivityOptions, AgentTypeError, AgentValueError
from strands_temporal.extension import (
    HEARTBEATING_TOOL_DEFAULTS,
    RemoteTool,
    RemoteTools,
    checked_tool_result,
    declare_safe,
    decode,
    encode,
    execute_activity,
    from_tool_activity_error,
    merge_options,
    note_attempt,
    run_local,
    tool_call_summary,
)
from strands_temporal.workflow import AgentCancelledError

from ._types import (
    CalledTool,
    CallTool,
    ListedTool,
    ListTools,
    ToolListing,
    call_tool_activity,
    list_tools_activity,
)

_FAILED = "Tool execution failed: "  # Strands' words to the model when a call fails outside the tool


class TemporalMCPClient(RemoteTools):
    """A handle for an MCP server that a worker runs, for agents in a workflow.

    Give it to a `TemporalAgent` in `tools=`, or to a plain `strands.Agent` in `hooks=`. The agent gets the
    server's tools when it is first invoked. Its counterpart on the worker is
    `MCPPlugin(mcp_clients={name: factory})`; prefix, filters and callbacks belong to the client made there.

    Args:
        server: Name of the server in `MCPPlugin(mcp_clients=...)`.
        cache_tools: Which list of tools the agent gets. None, the default: the one that the worker got when
            it started. True: a fresh one, fetched once for this handle. False: a fresh one before each model
            call. The workflow's history records the list in each case.
        read_only_is_safe: Whether the tools that the server annotates as read-only (`readOnlyHint`) count as
            declared safe, so that an approval policy lets their calls run. Only for a server that you trust:
            it says so itself, and MCP calls the annotation a hint. What it says when a run first lists its
            tools counts for the run.
        **options: Activity options for every listing and call: the keys of
            `temporalio.workflow.ActivityConfig` without `activity_id`. By default an activity may take 1
            minute, must heartbeat within 15 seconds, and is tried 3 times. A call's default summary is the
            server and the tool.

    Raises:
        AgentTypeError: If the name or `cache_tools` is of a wrong type, or an option is unknown or of a wrong
            type.
        AgentValueError: If the name is empty, or an option has a value that cannot work.
    """

    def __init__(
        self,
        server: str,
        *,
        cache_tools: bool | None = None,
        read_only_is_safe: bool = False,
        **options: Unpack[ActivityOptions],
    ) -> None:
        _check(server, cache_tools, read_only_is_safe)
        super().__init__(each_call=cache_tools is False)
        self.server = server
        self.cache_tools = cache_tools
        self.read_only_is_safe = read_only_is_safe
        self._options = merge_options(f"TemporalMCPClient({server!r})", HEARTBEATING_TOOL_DEFAULTS, options)

    def __repr__(self) -> str:
        return f"TemporalMCPClient({self.server!r})"

    @property
    def client_name(self) -> str:
        """The server's name, under which the `subagent` tool of AWS's harness offers it to its agents."""
        return self.server

    @property
    @override
    def owner(self) -> str:
        """Display name of the tools' owner, for error messages."""
        return f"MCP server {self.server!r}"

    @property
    @override
    def clash_hint(self) -> str:
        """Advice for the error that a tool's name is taken."""
        return (
            "Give one of the servers' clients a prefix, MCPClient(..., prefix='...'), or leave the tool out "
            "with tool_filters, in MCPPlugin(mcp_clients=...) on the worker"
        )

    @property
    @override
    def repeated_hint(self) -> str:
        """Advice for the error that the agent has two handles of the server."""
        return "Give the agent one handle for each server, whose tools must have different names"

    @property
    @override
    def outside_hint(self) -> str:
        """See base class."""
        return "use Strands' MCPClient itself"

    @override
    async def list_tools(self, known: bool) -> Sequence[AgentTool] | None:
        """Return the server's tools, from an activity. None if they are `known` and have not changed.

        Raises:
            ApplicationError: If the server is unavailable.
            AgentValueError: If no worker knows the server.
        """
        listing = await self.listing(
            list_tools_activity(self.server),
            ListTools(
                fresh=self.cache_tools is not None,
                known=run_local(_Digests).get(self) if known else None,
                read_only=self.read_only_is_safe,
            ),
            self._options,
            ToolListing,
            f"No worker knows the MCP server {self.server!r}. Register its factory in "
            f"MCPPlugin(mcp_clients={{{self.server!r}: factory}}) on the worker.",
            listed=self.server,
        )
        if listing.tools is None:
            return None
        run_local(_Digests)[self] = listing.digest
        tools = [MCPTool(self, tool) for tool in listing.tools]
        if self.read_only_is_safe:
            # The first listing of the run counts. What a server says later makes no tool safe.
            safe = run_local(_ReadOnly).setdefault(self, frozenset(listing.read_only or ()))
            for tool in tools:
                if tool.server_name in safe:
                    declare_safe(tool)
        return tools

    async def call(
        self,
        tool: str,
        tool_use: ToolUse,
        cancel_signal: threading.Event | None = None,
        *,
        agent: object = None,
    ) -> ToolResult:
        """Call a tool in an activity, and return its result. The tool's own error is a result as well.

        Args:
            tool: The tool's name on the server.
            tool_use: The model's request.
            cancel_signal: Cancels the call when it is set.
            agent: The agent that calls it, for the summary and the log line of the call.

        Raises:
            AgentCancelledError: If `cancel_signal` was set before the call had a result.
            Exception: If the call failed outside the tool, after the last attempt.
            asyncio.CancelledError: If the activity was cancelled.
        """
        summary = tool_call_summary(agent, tool_use, group=self.server)
        called: CalledTool = await execute_activity(
            call_tool_activity(self.server),
            [CallTool(tool, tool_use["toolUseId"], encode(tool_use["input"]))],
            {"summary": summary, **self._options},
            result_type=CalledTool,
            restore=from_tool_activity_error,
            cancel_signal=cancel_signal,
        )
        note_attempt(agent, tool_use["toolUseId"], called.attempt)
        return checked_tool_result(f"The answer of the MCP server {self.server!r}", decode(called.result))


class _Digests(WeakKeyDictionary[TemporalMCPClient, str]):
    """The digest of each handle's latest listing in one run."""


class _ReadOnly(WeakKeyDictionary[TemporalMCPClient, frozenset[str]]):
    """The read-only tools in each handle's first listing in one run."""


class MCPTool(RemoteTool):
    """One tool of an MCP server, in the workflow; its calls are activities.

    Args:
        client: The handle of its server.
        listed: The tool as the server's client offers it.
    """

    def __init__(self, client: TemporalMCPClient, listed: ListedTool) -> None:
        super().__init__(client, cast("ToolSpec", decode(listed.spec)))
        self._client = client
        self.server_name = listed.name

    @override
    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        """Call the tool and yield its result.

        If the tool reports an error, the model gets it unchanged. If the call fails outside the tool, the
        model gets the failure in Strands' words, and `AfterToolCallEvent` has the exception.
        """
        try:
            agent = invocation_state.get("agent")
            signal = getattr(agent, "cancel_signal", None)
            yield ToolResultEvent(await self._client.call(self.server_name, tool_use, signal, agent=agent))
        except AgentCancelledError:
            yield ToolResultEvent(_cancelled(tool_use))
        except Exception as error:  # noqa: BLE001  # like Strands' MCP client: the model is told
            result: ToolResult = {
                "toolUseId": tool_use["toolUseId"],
                "status": "error",
                "content": [{"text": _failed(error)}],
            }
            yield ToolResultEvent(result, exception=error)


def _check(server: object, cache_tools: object, read_only_is_safe: object) -> None:
    if not isinstance(server, str):
        raise AgentTypeError(
            f"TemporalMCPClient: server={server!r} is not a string. Give the server's name in "
            "MCPPlugin(mcp_clients=...) on the worker"
        )
    if not server:
        raise AgentValueError("TemporalMCPClient: server is empty. Give a name in MCPPlugin(mcp_clients=...)")
    if cache_tools is not None and not isinstance(cache_tools, bool):
        raise AgentTypeError(
            f"TemporalMCPClient({server!r}): cache_tools={cache_tools!r} is not None, True or False"
        )
    if not isinstance(read_only_is_safe, bool):
        raise AgentTypeError(
            f"TemporalMCPClient({server!r}): read_only_is_safe={read_only_is_safe!r} is not True or False"
        )


def _cancelled(tool_use: ToolUse) -> ToolResult:
    """Return the result that Strands' MCP client gives when the agent's cancel signal ends a call."""
    result = {
        "toolUseId": tool_use["toolUseId"],
        "status": "error",
        "content": [{"text": "Tool execution cancelled locally; remote execution may have continued"}],
        "cancelled": True,
    }
    return cast("ToolResult", result)


def _failed(error: Exception) -> str:
    text = error.message if isinstance(error, FailureError) else str(error)
    return text if text.startswith(_FAILED) else f"{_FAILED}{text}"
