"""Runs programs as a person does in a terminal: reads their output and types into them."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository's root."""

WAIT = 90  # seconds; on a busy machine imports take ten, and the small model must start


class Terminal:
    """A process in a terminal."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._unread = ""

    async def until(self, text: str) -> str:
        """Read until `text` appears; return the output up to the end of `text`."""
        assert self._process.stdout
        seen = self._unread
        while text not in seen:
            got = await asyncio.wait_for(self._process.stdout.read(4096), WAIT)
            assert got, f"ended before it said {text!r}:\n{seen}"
            seen += got.decode()
        before, _, self._unread = seen.partition(text)
        return before + text

    async def rest(self) -> str:
        """Read to the end."""
        assert self._process.stdout
        return self._unread + (await asyncio.wait_for(self._process.stdout.read(), WAIT)).decode()

    async def exit_code(self) -> int:
        """Wait for the end and return the exit code."""
        return await asyncio.wait_for(self._process.wait(), WAIT)

    def send(self, sign: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(sign)

    async def type(self, line: str) -> None:
        """Type a line."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n".encode())
        await self._process.stdin.drain()


@asynccontextmanager
async def terminal(
    variables: Mapping[str, str], module: str, *args: str, folder: Path = ROOT
) -> AsyncGenerator[Terminal]:
    """Run `python -m module *args` while the block runs. If it still runs at the block's end, press Ctrl+C.

    Args:
        variables: Environment variables in addition to this process's own.
        module: The module.
        *args: Its arguments.
        folder: The current directory of the process.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *args),
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        cwd=folder,
        env={**os.environ, **variables},
    )
    try:
        yield Terminal(process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)  # Ctrl+C
        try:
            await asyncio.wait_for(process.communicate(), WAIT)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()
            raise


@asynccontextmanager
async def example_worker(variables: Mapping[str, str], example: str, *args: str) -> AsyncGenerator[Terminal]:
    """Run an example's worker while the block runs. The block begins when the worker is ready."""
    async with terminal(variables, f"examples.{example}.worker", *args) as started:
        await started.until("Ctrl+C to exit.\n")
        yield started
