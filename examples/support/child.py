"""Processes of our own that say when they are ready and never outlive the process that started them.

Two halves of one protocol. `ChildProcess` stands in the parent. The child, a Python module, calls
`on_parent_exit` early and `announce` once it is ready: its standard input is a pipe that only the parent
holds, so the pipe's end means that the parent is gone, even when that was killed.
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
STOP_TIMEOUT = 10.0  # seconds from the closed pipe to SIGKILL


class ChildProcess:
    """A running module of ours. Made by `ChildProcess.start`.

    It stands in a session of its own: a terminal's Ctrl+C reaches the parent only, which ends it in order.

    Attributes:
        ready_line: What the child announced.
        log: File with everything it printed.
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
            log: File that its output goes to.
            env: Variables besides this process's own.

        Raises:
            ChildProcessError: It ended, or said nothing in time; the message ends with its last words.
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
        except BaseException:  # a cancelled start must not leave the process behind
            await child.kill()
            raise
        return child

    async def kill(self) -> None:
        """End it with SIGKILL, by its own process id, and wait until it is gone."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        """Let it end in order, by closing its standard input; kill it when it takes too long."""
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
    """Return the last line of a log that is not empty."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "(its log is empty)"


def announce(line: str) -> None:
    """Tell the parent that this child is ready; what it prints afterwards goes to its log."""
    print(line, flush=True)
    os.dup2(2, 1)  # nobody reads the pipe from here on: it would fill up and block us


def on_parent_exit(end: Callable[[], None]) -> None:
    """Call `end`, in a thread, when the parent closes our standard input or is no more."""

    def watch() -> None:
        # os.read and not sys.stdin: a lock held by this thread would break the interpreter's own exit.
        while os.read(0, 1024):
            pass
        end()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
