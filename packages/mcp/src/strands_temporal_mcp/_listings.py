"""Makes the listing of an MCP server's tools that is sent to workflows."""

import hashlib
import json
from typing import TYPE_CHECKING, Any, cast

from strands_temporal.extension import encode

from ._types import ListedTool, ToolListing

if TYPE_CHECKING:
    from strands.tools.mcp import MCPClient


def list_all(client: "MCPClient") -> list[ListedTool]:
    """Return the tools of all pages, with the client's own prefix and filters."""
    tools: list[ListedTool] = []
    page = client.list_tools_sync()
    while True:
        tools += [
            ListedTool(str(tool.mcp_tool.name), encode(tool.tool_spec)) for tool in cast("list[Any]", page)
        ]
        if page.pagination_token is None:
            return tools
        page = client.list_tools_sync(page.pagination_token)


def listing_of(tools: list[ListedTool]) -> ToolListing:
    """Return the tools with a digest. Workflows send the digest to ask whether the tools have changed."""
    text = json.dumps([[tool.name, tool.spec] for tool in tools], sort_keys=True)
    return ToolListing(tools, hashlib.sha256(text.encode()).hexdigest()[:16])
