"""Runs the demo as a process, for tests that use it as a person does."""

import asyncio
import contextlib
import os
import pty
import re
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_MARKER = "STRANDS_TEMPORAL_TEST_DEMO"  # every process of one demo has it in its environment
_ANSI = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x1b]*\x1b\\)")

DEMO_MARKS = [
    pytest.mark.server,
    pytest.mark.timeout(300),
    # The demo starts its own server. This fixture only makes sure that the binary is there.
    pytest.mark.usefixtures("server"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for left processes in /proc"),
]


class Demo:
    """A running demo."""

    def __init__(self, process: asyncio.subprocess.Process, marker: str, keyboard: int, folder: str) -> None:
        self.process = process
        self.folder = Path(folder)
        self.output = ""
        self._marker = marker
        self._keyboard = keyboard

    def type(self, line: str) -> None:
        os.write(self._keyboard, line.encode())

    async def read(self, until: str | None = None) -> str:
        """Read until the output matches a pattern, or to the output's end. Return everything read so far."""
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
        return await asyncio.wait_for(self.process.wait(), 30)

    def processes(self) -> list[int]:
        """Return the demo's process and all of its descendants."""
        found: list[int] = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # the process has ended in the meantime
                if f"{_MARKER}={self._marker}".encode() in environ.read_bytes().split(b"\0"):
                    found.append(int(environ.parent.name))
        return found

    async def assert_nothing_left(self, within: float = 0) -> None:
        deadline = time.monotonic() + within
        while self.processes() and time.monotonic() < deadline:  # noqa: ASYNC110  # nothing signals their end
            await asyncio.sleep(0.1)
        assert self.processes() == []


@asynccontextmanager
async def running_demo(*, keyboard: str, **env: str) -> AsyncGenerator[Demo]:
    """Run the demo with `keyboard` "none", "pipe" or "terminal". With the last two the test can type."""
    marker = str(uuid4())
    inherited = {name: value for name, value in os.environ.items() if name != "TEMPORAL_ADDRESS"}
    if keyboard == "terminal":
        ours, theirs = pty.openpty()
    elif keyboard == "pipe":
        theirs, ours = os.pipe()
    else:
        theirs, ours = os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
    with tempfile.TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "examples.demo"),
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=_ROOT,
            env={
                **inherited,
                "STRANDS_TEMPORAL_MODEL": "local",
                "COLUMNS": "100",
                "TMPDIR": folder,
                _MARKER: marker,
                **env,
            },
        )
        os.close(theirs)
        demo = Demo(process, marker, ours, folder)
        try:
            yield demo
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            os.close(ours)
