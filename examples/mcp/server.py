"""A small MCP server, for both major versions of the `mcp` package. The worker starts it over stdio."""

from typing import Any

try:
    import mcp.server.mcpserver as api
except ModuleNotFoundError:  # mcp 1
    import mcp.server.fastmcp as api

any_api: Any = api  # a type checker knows only the installed version
server: Any = any_api.MCPServer("echo") if hasattr(api, "MCPServer") else any_api.FastMCP("echo")


@server.tool()
def echo(message: str) -> str:
    """Repeat a message, word for word."""
    return f"Echo: {message}"


if __name__ == "__main__":
    server.run("stdio")
