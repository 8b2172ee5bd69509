"""Runs the demo as a process, for tests that use it as a person does."""

import asyncio
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import pexpect
import pytest

from integration_tests.terminals import ROOT, WAIT

_MARKER = "STRANDS_TEMPORAL_TEST_DEMO"  # every process of one demo has it in its environment
_ANSI = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x1b]*\x1b\\)")

DEMO_MARKS = [
    pytest.mark.server,
    pytest.mark.timeout(300),
    # The demo starts its own server. This fixture only makes sure that the binary is there.
    pytest.mark.usefixtures("server"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for left processes in /proc"),
]


class Place:
    """Where a demo runs: its environment, a folder for what it writes, and its processes.

    Attributes:
        env: The environment.
        folder: For what it writes, besides the conversations that it keeps in `kept`.
        kept: The user's cache folder.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self._marker = str(uuid4())
        self.folder, self.kept = folder / "t", folder / "c"
        for made in (self.folder, self.kept, folder / "r"):
            made.mkdir(mode=0o700)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
        self.env = {
            **inherited,
            "STRANDS_TEMPORAL_MODEL": "local",
            "COLUMNS": "100",
            "TMPDIR": str(self.folder),
            "XDG_CACHE_HOME": str(self.kept),
            "XDG_RUNTIME_DIR": str(folder / "r"),  # short: a socket's path has some hundred characters
            _MARKER: self._marker,
            **variables,
        }
        self.env.pop("STRANDS_TEMPORAL_CACHE", None)

    def processes(self) -> list[int]:
        """Return the demo's process and all of its descendants."""
        found: list[int] = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # the process has ended in the meantime
                if f"{_MARKER}={self._marker}".encode() in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
        return found

    async def assert_nothing_left(self, within: float = 0) -> None:
        """Assert that no process is left, nor a file of the show's."""
        deadline = time.monotonic() + within
        while self.processes() and time.monotonic() < deadline:  # noqa: ASYNC110  # nothing signals their end
            await asyncio.sleep(0.1)
        assert self.processes() == []

    def spawn(self, program: str, *arguments: str, timeout: float = WAIT) -> "pexpect.spawn[str]":
        """Run a program in a terminal."""
        return pexpect.spawn(
            program,
            list(arguments),
            cwd=str(ROOT),
            env=self.env,  # pyright: ignore[reportArgumentType]  # typeshed wants os.environ's own class
            encoding="utf-8",
            timeout=timeout,
            echo=False,
            dimensions=(40, 100),
        )


class Demo(Place):
    """A running show."""

    def __init__(self, folder: Path, **variables: str) -> None:
        super().__init__(folder, **variables)
        self.process: asyncio.subprocess.Process | None = None
        self.output = ""

    async def start(self) -> asyncio.subprocess.Process:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "examples.demo"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
            env=self.env,
        )
        return self.process

    async def read(self, until: str | None = None) -> str:
        """Read until the output matches a pattern, or to the output's end. Return everything read so far."""
        assert self.process
        assert self.process.stdout
        while until is None or not re.search(until, self.output):
            try:
                chunk = await asyncio.wait_for(self.process.stdout.read(4096), 120)
            except asyncio.TimeoutError:
                pytest.fail(f"{until!r} does not come:\n{self.output}")
            if not chunk:
                assert until is None, f"{until!r} never came:\n{self.output}"
                break
            self.output += _ANSI.sub("", chunk.decode(errors="replace")).replace("\r", "")
        return self.output

    async def exit_code(self) -> int:
        assert self.process
        return await asyncio.wait_for(self.process.wait(), 30)


@asynccontextmanager
async def running_demo(**env: str) -> AsyncGenerator[Demo]:
    """Run the show."""
    with place() as folder:
        demo = Demo(folder, **env)
        process = await demo.start()
        try:
            yield demo
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@contextmanager
def place() -> Generator[Path]:
    """Yield a folder with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="std-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
