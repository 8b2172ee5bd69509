"""Child processes that announce when they are ready and never outlive their parent.

Two halves of one protocol. `ChildProcess` runs in the parent. The child, a Python module, calls
`on_parent_exit` early and `announce` once it is ready. Its standard input is a pipe that only the parent
holds: when the pipe ends, the parent is gone, even if it was killed.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository's root, from which `python -m examples...` runs."""

START_TIMEOUT = 120.0  # seconds; imports alone take ten on a loaded CI machine
STOP_TIMEOUT = 10.0  # seconds between closing the pipe and SIGKILL


class ChildProcess:
    """A Python module that runs as a child process. Made by `ChildProcess.start`.

    It has its own session, so a terminal's Ctrl+C reaches only the parent, which ends it gracefully.

    Attributes:
        ready_line: What the child announced.
        log: File with its output.
    """

    def __init__(self, process: asyncio.subprocess.Process, ready_line: str, log: Path) -> None:
        self.ready_line = ready_line
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._process.returncode is not None

    @classmethod
    async def start(
        cls, module: str, *args: str, log: Path, env: Mapping[str, str] | None = None
    ) -> "ChildProcess":
        """Run `python -m module *args` and wait until it announces itself.

        Args:
            module: Dotted name, found from the repository's root.
            *args: The module's arguments.
            log: File for its output.
            env: Variables in addition to this process's own.

        Raises:
            ChildProcessError: It ended or did not announce itself in time. Says what it printed last.
        """
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *args,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        child = cls(process, "", log)
        try:
            child.ready_line = await child._read_ready_line(module)
        except BaseException:  # a cancelled start leaves no process behind
            await child.kill()
            raise
        return child

    async def line(self) -> str:
        """Return the next line that a child without `announce` writes; an empty text when it has ended."""
        if self._process.stdout is None:
            return ""
        return (await self._process.stdout.readline()).decode()

    async def kill(self) -> None:
        """End it with SIGKILL, by its own process id, and wait until it is gone."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        """End it gracefully by closing its standard input. Kill it if it takes too long."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT)
        except asyncio.TimeoutError:
            await self.kill()

    async def _read_ready_line(self, module: str) -> str:
        if self._process.stdout is None:
            raise ChildProcessError(f"{module} has no output to read")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), START_TIMEOUT)
        except asyncio.TimeoutError:
            raise ChildProcessError(
                f"{module} was not ready after {START_TIMEOUT:.0f} s: {last_words(self.log)}"
            ) from None
        if not line:
            raise ChildProcessError(f"{module} did not start: {last_words(self.log)}")
        return line.decode().strip()


def last_words(log: Path) -> str:
    """Return the last non-empty line of a log."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "(its log is empty)"


def announce(line: str) -> None:
    """Tell the parent that this child is ready. Later output goes to the child's log."""
    print(line, flush=True)
    os.dup2(2, 1)  # from now on nobody reads the pipe, which would fill up and block us


def on_parent_exit(end: Callable[[], None]) -> None:
    """Call `end` in a thread when the parent closes our standard input or has died."""

    def watch() -> None:
        # os.read, because sys.stdin has a lock: if this thread held it, the interpreter could not exit.
        while os.read(0, 1024):
            pass
        end()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
