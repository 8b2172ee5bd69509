"""The crew's library: a small MCP server, for both major versions of the `mcp` package."""

from typing import Any

try:
    import mcp.server.mcpserver as api
except ModuleNotFoundError:  # mcp 1
    import mcp.server.fastmcp as api

any_api: Any = api  # a type checker knows only the installed version
server: Any = any_api.MCPServer("library") if hasattr(api, "MCPServer") else any_api.FastMCP("library")

NOTES = {
    "origin": "Coffee was first drunk in Yemen in the 15th century.",
    "trade": "Merchants of Venice brought coffee to Europe around 1615.",
    "coffee houses": "The first coffee house of London opened in 1652.",
    "tea": "Tea came to Europe with Dutch ships around 1610.",
}
"""What the library knows, by subject."""


@server.tool()
def search_library(words: str) -> str:
    """Search the library's notes.

    Args:
        words: Words to search for. A note is found if it has one of them.
    """
    wanted = words.lower().replace(",", " ").split()
    found = [
        f"{subject}: {note}"
        for subject, note in NOTES.items()
        if any(word in f"{subject} {note}".lower() for word in wanted)
    ]
    return "\n".join(found) or f"The library has no note on {words!r}. It has: {', '.join(NOTES)}"


if __name__ == "__main__":
    server.run("stdio")
