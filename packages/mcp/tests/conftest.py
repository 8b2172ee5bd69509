"""Real MCP servers for the tests: Node servers from npm, in the user's cache folder, and Python servers."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest
from integration_tests import real_parts

NPM_PACKAGES = {
    "@modelcontextprotocol/server-everything": "2026.8.31",
    "@modelcontextprotocol/server-filesystem": "2026.8.31",
}

NodeCommand: TypeAlias = Callable[..., list[str]]
HttpServer: TypeAlias = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture(scope="session")
def node_command() -> NodeCommand:
    """Makes the command line of an npm server: `node_command("server-everything", "stdio")`."""
    node, _ = real_parts.node_command()
    modules = real_parts.npm_packages(NPM_PACKAGES)

    def command_line(server: str, *args: str) -> list[str]:
        return [node, real_parts.npm_script(modules / "@modelcontextprotocol" / server), *args]

    return command_line


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that runs these tests, for servers in their own environments."""
    try:
        return real_parts.uv_program()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def http_server() -> HttpServer:
    """Runs a server: `async with http_server(lambda port: [...], port=None) as port`."""
    return running


@asynccontextmanager
async def running(command: Callable[[int], list[str]], port: int | None = None) -> AsyncGenerator[int]:
    """Run a server on a free port while the block runs. Its environment has the port in `PORT` as well."""
    port = port or real_parts.free_port()
    process = await asyncio.create_subprocess_exec(
        *command(port),
        env=os.environ | {"PORT": str(port)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await real_parts.answers(port, 30, lambda: _end_of(process))
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _end_of(process: asyncio.subprocess.Process) -> str | None:
    return None if process.returncode is None else f"the server ended with {process.returncode}"
