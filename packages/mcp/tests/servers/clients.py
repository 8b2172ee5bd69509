"""MCP clients for the tests."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters, stdio_client
from strands.tools.mcp import MCPClient

PYTHON_SERVER = Path(__file__).parent / "python_server.py"


def stdio(command: Sequence[str], *, env: dict[str, str] | None = None, **options: Any) -> MCPClient:
    """Return a client that starts its own server, by default with only a few of this process's variables."""
    parameters = StdioServerParameters(command=command[0], args=list(command[1:]), env=env)
    connect: Any = lambda: stdio_client(parameters)  # noqa: E731  # Strands' type of it knows mcp 1 only
    return MCPClient(connect, **options)


def python_server(**options: Any) -> MCPClient:
    """Return a client of our own server."""
    return stdio([sys.executable, str(PYTHON_SERVER)], **options)
