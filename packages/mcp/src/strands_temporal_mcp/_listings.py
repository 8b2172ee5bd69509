"""Makes the listing of an MCP server's tools that is sent to workflows."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from strands_temporal.extension import encode

from ._types import ListedTool, ToolListing

if TYPE_CHECKING:
    from strands.tools.mcp import MCPClient


@dataclass(frozen=True)
class ServerTools:
    """A server's tools.

    Attributes:
        tools: The tools.
        read_only: Names of those that the server annotates as read-only. It says so itself.
    """

    tools: list[ListedTool] = field(default_factory=list[ListedTool])
    read_only: list[str] = field(default_factory=list[str])


MOST_PAGES = 1_000
"""Pages of one listing. A server whose pages do not end would fill the worker's memory."""


def list_all(client: "MCPClient") -> ServerTools:
    """Return the tools of all pages, with the client's own prefix and filters.

    Raises:
        ValueError: If the pages do not end: one follows itself, or there are more than `MOST_PAGES`.
    """
    found = ServerTools()
    page = client.list_tools_sync()
    cursors: set[str] = set()
    while True:
        for tool in cast("list[Any]", page):
            name = str(tool.mcp_tool.name)
            found.tools.append(ListedTool(name, encode(tool.tool_spec)))
            if _is_read_only(tool.mcp_tool):
                found.read_only.append(name)
        cursor = page.pagination_token
        if cursor is None:
            return found
        pages = len(cursors) + 1
        if cursor in cursors or pages == MOST_PAGES:
            raise ValueError(
                f"the pages of its tools do not end: after {pages} it gives the cursor {cursor[:80]!r}"
                f"{' again' if cursor in cursors else ''}. Mend the server"
            )
        cursors.add(cursor)
        page = client.list_tools_sync(cursor)


def listing_of(found: ServerTools) -> ToolListing:
    """Return the tools with a digest. Workflows send the digest to ask whether the tools have changed."""
    text = json.dumps([[tool.name, tool.spec] for tool in found.tools], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return ToolListing(found.tools, digest, read_only=found.read_only)


def _is_read_only(tool: Any) -> bool:
    """Tell whether a server annotates a tool as read-only, and not as destructive."""
    annotations = getattr(tool, "annotations", None)
    read_only, destructive = (
        getattr(annotations, new, getattr(annotations, old, None))  # mcp 2, mcp 1
        for new, old in (("read_only_hint", "readOnlyHint"), ("destructive_hint", "destructiveHint"))
    )
    return read_only is True and destructive is not True
