"""Values that cross between the workflow and a server's activities, and the names that both sides use.

Frozen dataclasses of JSON values, as in core: fields are only ever added, with defaults. Bytes inside them
(images) are tagged by `strands_temporal.activity.encode`.
"""

from dataclasses import dataclass
from typing import Any

WIRE_VERSION = 1
"""Version of the layouts below; incremented when a field changes its meaning."""

MCP_SERVER_UNAVAILABLE = "MCPServerUnavailable"
MCP_CALL_FAILED = "MCPCallFailed"
MCP_RESULT_TOO_LARGE = "MCPResultTooLarge"
MCP_CLIENT_FACTORY_FAILED = "MCPClientFactoryFailed"


def list_tools_activity(server: str) -> str:
    """Return the type of the activity that lists the tools of `server`."""
    return f"{server}-list-tools"


def call_tool_activity(server: str) -> str:
    """Return the type of the activity that calls a tool of `server`."""
    return f"{server}-call-tool"


@dataclass(frozen=True)
class ListTools:
    """Asks for a server's tools: the argument of `{server}-list-tools`.

    Attributes:
        fresh: Whether to ask the server now. Otherwise the worker returns the list that it got at its start.
        known: Digest of the listing that the workflow has. If the tools are the same, they do not enter
            history again.
        version: Layout of this value.
        read_only: Whether to tell which tools the server annotates as read-only.
    """

    fresh: bool = False
    known: str | None = None
    version: int = WIRE_VERSION
    read_only: bool = False


@dataclass(frozen=True)
class ListedTool:
    """One tool of a server, as its MCP client offers it.

    Attributes:
        name: The tool's name on the server.
        spec: Strands tool spec, encoded; its name carries the client's prefix.
    """

    name: str
    spec: Any


@dataclass(frozen=True)
class ToolListing:
    """A server's tools: the result of `{server}-list-tools`.

    Attributes:
        tools: The tools, filtered by the client; None if `ListTools.known` is their digest.
        digest: Digest of the tools.
        version: Layout of this value.
        read_only: With `ListTools.read_only`: the names of the tools that the server annotates as read-only.
            None otherwise, and from an earlier release.
    """

    tools: list[ListedTool] | None
    digest: str
    version: int = WIRE_VERSION
    read_only: list[str] | None = None


@dataclass(frozen=True)
class CallTool:
    """One call of a tool: the argument of `{server}-call-tool`.

    Attributes:
        tool: The tool's name on the server.
        tool_use_id: Strands' id of the call.
        arguments: The tool's arguments, encoded.
        version: Layout of this value.
    """

    tool: str
    tool_use_id: str
    arguments: Any
    version: int = WIRE_VERSION


@dataclass(frozen=True)
class CalledTool:
    """A tool's answer: the result of `{server}-call-tool`.

    Attributes:
        result: Strands `MCPToolResult`, encoded: content, structured content, metadata, error flag.
        version: Layout of this value.
        attempt: Temporal's number of the attempt that answered.
    """

    result: Any
    version: int = WIRE_VERSION
    attempt: int = 1
