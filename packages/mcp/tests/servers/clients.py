"""MCP clients for the tests."""

import importlib.util
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import StdioServerParameters, stdio_client
from mcp.shared.memory import create_client_server_memory_streams
from strands.tools.mcp import MCPClient

PYTHON_SERVER = Path(__file__).parent / "python_server.py"


def stdio(command: Sequence[str], *, env: dict[str, str] | None = None, **options: Any) -> MCPClient:
    """Return a client that starts its own server, by default with only a few of this process's variables."""
    parameters = StdioServerParameters(command=command[0], args=list(command[1:]), env=env)
    connect: Any = lambda: stdio_client(parameters)  # noqa: E731  # Strands' type of it knows mcp 1 only
    return MCPClient(connect, **options)


def python_server(**options: Any) -> MCPClient:
    """Return a client of our own server, which runs as a process. Its start takes over a second."""
    return stdio([sys.executable, str(PYTHON_SERVER)], **options)


def server_here(**options: Any) -> MCPClient:
    """Return a client of our own server, which runs in this process. Each connection gets a new server."""
    connect: Any = _streams_of_a_server  # Strands' type of it knows mcp 1 only
    return MCPClient(connect, **options)


@asynccontextmanager
async def _streams_of_a_server() -> AsyncGenerator[Any]:
    spec: Any = importlib.util.spec_from_file_location("python_server_here", PYTHON_SERVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server: Any = getattr(module.server, "_lowlevel_server" if module.V2 else "_mcp_server")
    async with create_client_server_memory_streams() as (here, there), anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, *there, server.create_initialization_options())
        yield here
        tasks.cancel_scope.cancel()
