"""The tools of an MCP server in an agent: how they take their place there, and how they are called."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from strands.hooks import AgentInitializedEvent
from strands.types.events import ToolResultEvent
from strands.types.tools import AgentTool, ToolGenerator, ToolResult, ToolSpec, ToolUse
from temporalio.exceptions import FailureError
from typing_extensions import override

from strands_temporal import AgentValueError
from strands_temporal.activity import decode
from strands_temporal.workflow import AgentCancelledError

from ._types import ListedTool

if TYPE_CHECKING:
    from ._workflow import TemporalMCPClient

_FAILED = "Tool execution failed: "  # Strands' words for the model where a call fails outside the tool


class MCPTool(AgentTool):
    """One tool of an MCP server, in the workflow; its calls are activities.

    Args:
        client: The handle of its server.
        listed: The tool as the server's client offers it.
    """

    def __init__(self, client: "TemporalMCPClient", listed: ListedTool) -> None:
        super().__init__()
        self.client = client
        self._name = listed.name
        self._spec = cast("ToolSpec", decode(listed.spec))

    @property
    @override
    def tool_name(self) -> str:
        """The tool's name for the model, with the client's prefix."""
        return self._spec["name"]

    @property
    @override
    def tool_spec(self) -> ToolSpec:
        """The tool's spec."""
        return self._spec

    @property
    @override
    def tool_type(self) -> str:
        """The same as of Strands' own MCP tools."""
        return "python"

    @override
    async def stream(
        self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any
    ) -> ToolGenerator:
        """Call the tool and yield its result.

        A tool that reports an error yields it, for the model. So does a call that failed outside the tool, in
        Strands' words, with its exception for `AfterToolCallEvent`.
        """
        try:
            signal = getattr(invocation_state.get("agent"), "cancel_signal", None)
            yield ToolResultEvent(await self.client.call(self._name, tool_use, signal))
        except AgentCancelledError:
            yield ToolResultEvent(_cancelled(tool_use))
        except Exception as error:  # noqa: BLE001  # as Strands' MCP client does: the model gets to know
            result: ToolResult = {
                "toolUseId": tool_use["toolUseId"],
                "status": "error",
                "content": [{"text": _failed(error)}],
            }
            yield ToolResultEvent(result, exception=error)


class Placeholder(AgentTool):
    """Stands among an agent's tools, while it is built, where a server's tools will be."""

    def __init__(self, client: "TemporalMCPClient") -> None:
        super().__init__()
        self.client = client

    @property
    @override
    def tool_name(self) -> str:
        return f"{self.client!r} {id(self)}"  # the same for no two

    @property
    @override
    def tool_spec(self) -> ToolSpec:
        """Refuse: whoever asks has an agent that will never get the tools."""
        raise AgentValueError(
            f"{self.client!r} cannot give its tools to this agent, which does not run its hooks. Use a "
            "TemporalAgent, or give a plain strands.Agent hooks=[...] with it; outside a workflow use "
            "Strands' MCPClient itself"
        )

    @property
    @override
    def tool_type(self) -> str:
        return "python"

    @override
    def stream(self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any) -> ToolGenerator:
        raise NotImplementedError


class Membership:
    """The tools of one server in one agent."""

    def __init__(self, client: "TemporalMCPClient") -> None:
        self._client = client
        self._following: set[str] = set()  # tools that were given to the agent after this server's
        self._own: list[str] | None = None  # this server's tools in the agent; None before the first listing

    def take_place(self, event: AgentInitializedEvent) -> None:
        """Take the placeholder out and remember its place."""
        registry = event.agent.tool_registry.registry
        for name, tool in list(registry.items()):
            if isinstance(tool, Placeholder) and tool.client is self._client:
                names = list(registry)
                self._following = set(names[names.index(name) + 1 :])
                del registry[name]

    async def join(self, event: Any) -> None:
        """Give the agent the tools if it has none yet."""
        if self._own is None:
            await self.refresh(event)

    async def refresh(self, event: Any) -> None:
        """Give the agent the tools that the handle has now, in the place of those that it had."""
        tools = await self._client.load_tools()
        registry: dict[str, AgentTool] = event.agent.tool_registry.registry
        own = set(self._own or ())
        place = next((i for i, name in enumerate(registry) if name in own or name in self._following), None)
        others = [(name, tool) for name, tool in registry.items() if name not in own]
        _check_names(self._client, tools, dict(others))
        mine = [(tool.tool_name, tool) for tool in tools]
        place = len(others) if place is None else place
        registry.clear()
        registry.update([*others[:place], *mine, *others[place:]])
        self._own = [name for name, _ in mine]


def _check_names(
    client: "TemporalMCPClient", tools: Sequence[AgentTool], others: Mapping[str, AgentTool]
) -> None:
    """Refuse tools whose names the agent has already; to Strands `-` and `_` are one.

    Raises:
        AgentValueError: Naming both servers and what to do.
    """
    taken = {_normal(name): tool for name, tool in others.items()}
    for tool in tools:
        other = taken.setdefault(_normal(tool.tool_name), tool)
        if other is tool:
            continue
        owner = f"MCP server {other.client.server!r}" if isinstance(other, MCPTool) else "another tool"
        hint = (
            "Give one of the servers' clients a prefix, MCPClient(..., prefix='...'), or leave the tool out "
            "with tool_filters, in MCPPlugin(mcp_clients=...) on the worker"
        )
        if isinstance(other, MCPTool) and other.client.server == client.server:
            hint = "Give the agent one handle for each server, whose tools must have different names"
        raise AgentValueError(
            f"The agent would have two tools {tool.tool_name!r}: of MCP server {client.server!r} and of "
            f"{owner}{_differently_written(tool, other)}. {hint}"
        )


def _differently_written(tool: AgentTool, other: AgentTool) -> str:
    return "" if tool.tool_name == other.tool_name else f", there written {other.tool_name!r}"


def _normal(name: str) -> str:
    return name.replace("-", "_")


def _cancelled(tool_use: ToolUse) -> ToolResult:
    """Return what Strands' MCP client gives for a call that the agent's cancel signal ended."""
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
