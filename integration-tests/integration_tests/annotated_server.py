"""An MCP server whose tools have annotations, on either major version of `mcp`."""

from typing import Any

try:
    import mcp.server.mcpserver as mcp_server
    from mcp_types import ToolAnnotations
except ModuleNotFoundError:  # mcp 1
    import mcp.server.fastmcp as mcp_server
    from mcp.types import ToolAnnotations  # type: ignore[no-redef]

API: Any = mcp_server
server: Any = API.MCPServer("files") if hasattr(API, "MCPServer") else API.FastMCP("files")


def annotations(**hints: bool) -> Any:
    return ToolAnnotations.model_validate(hints)


@server.tool(annotations=annotations(readOnlyHint=True))
def read(path: str) -> str:
    """Read a file."""
    return f"{path} is empty"


@server.tool(annotations=annotations(readOnlyHint=True, destructiveHint=True))
def odd(path: str) -> str:
    """Say one thing and another."""
    return path


@server.tool(annotations=annotations(readOnlyHint=False))
def write(path: str) -> str:
    """Write a file."""
    return f"wrote {path}"


if __name__ == "__main__":
    server.run()
