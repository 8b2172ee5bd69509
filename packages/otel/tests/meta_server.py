# pyright: reportAttributeAccessIssue=false, reportUntypedFunctionDecorator=false
# pyright: reportUnknownArgumentType=false
# The two major versions of `mcp` have different modules, and only one of them is installed.
"""An MCP server, on either major version of `mcp`, that returns the metadata of a call."""

from typing import Any

try:
    from mcp.server.fastmcp import Context, FastMCP
except ModuleNotFoundError:  # mcp 2
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver import MCPServer as FastMCP

server: Any = FastMCP("meta")


@server.tool()
def traceparent(context: Context) -> str:  # pyright: ignore[reportMissingTypeArgument, reportUnknownParameterType]  # its parameters differ by line
    """Tell the trace context of this call."""
    meta: Any = context.request_context.meta
    values: Any = meta if hasattr(meta, "get") else meta.model_dump()
    return str(values.get("traceparent"))


if __name__ == "__main__":
    server.run("stdio")
