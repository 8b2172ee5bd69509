"""A small MCP server on standard input and output, on either major version of `mcp`."""

from typing import Any

try:
    import mcp.server.mcpserver as mcp_server
except ModuleNotFoundError:  # mcp 1
    import mcp.server.fastmcp as mcp_server

API: Any = mcp_server  # `Any`: a type checker knows only the installed version
server: Any = API.MCPServer("echo") if hasattr(API, "MCPServer") else API.FastMCP("echo")


@server.tool()
def shout(text: str) -> str:
    """Shout."""
    return text.upper()


if __name__ == "__main__":
    server.run()
