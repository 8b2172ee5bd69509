"""Runs a command that must not outlive the process that starts it.

There are two halves. `Supervised` is in the caller. It runs this same file as a small separate process, the
*supervisor*. The supervisor is the command's parent, and holds the reading end of a pipe from the caller.
However the caller ends (normally, by Ctrl+C, by SIGKILL), the system closes that pipe, and the supervisor
ends the command.

The supervisor runs with `python -I` and this file's path, so this file imports only the standard library.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for the command."""

_CALLER_CHECK = 2.0
"""Seconds between two checks of the parent process. A fork of the caller may hold the pipe open after the
caller has died."""


class Supervised:
    """A running command that ends no later than this process.

    The command runs in its own session, so a terminal's Ctrl+C reaches only the caller, which then ends the
    command properly. The command's output goes to an unnamed temporary file by default: no pipe can fill up,
    and nothing is left after a crash.

    Args:
        command: Program and arguments; never a shell.
        cwd: Working folder. By default the caller's.
        env: Environment. By default the caller's.
        output: File to which the command writes instead. `tail` then has nothing.
        pass_fds: File descriptors that the command gets, under the same numbers.

    Raises:
        OSError: If the command could not be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        output: IO[Any] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        with contextlib.ExitStack() as on_failure:
            self._log = on_failure.enter_context(tempfile.TemporaryFile())
            self._process = subprocess.Popen(  # noqa: S603 - a list, never a shell; the program is the caller's choice
                [sys.executable, "-I", __file__, str(os.getpid()), ",".join(map(str, pass_fds)), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log if output is None else output,
                cwd=cwd,
                env=env,
                start_new_session=True,
                pass_fds=pass_fds,
            )
            on_failure.callback(self._end_supervisor)
            self.pid = self._read_pid(command[0])
            on_failure.pop_all()  # the command runs: from here on `end` cleans up

    def wait(self, timeout: float) -> int | None:
        """Return the command's exit code, or None if it still runs after `timeout` seconds."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the command's output."""
        size = os.fstat(self._log.fileno()).st_size
        # pread: the command shares the file's position, which must not move.
        end = os.pread(self._log.fileno(), 16_384, max(0, size - 16_384)).decode(errors="replace")
        return "\n".join(end.strip().splitlines()[-lines:])

    def end(self) -> None:
        """End the command and wait until it is gone. Idempotent."""
        self._end_supervisor()
        self._log.close()

    def __enter__(self) -> Supervised:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _read_pid(self, program: str) -> int:
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            self._process.wait()
            raise OSError(f"{program!r} did not start: {self.tail(1)}")
        return int(line)

    def _end_supervisor(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()  # closing stdin tells the supervisor to end
        # The supervisor sends SIGKILL after GRACE. The supervisor is late only if it was itself stopped or
        # killed.
        if self.wait(GRACE * 2) in (None, -signal.SIGKILL):
            self._process.kill()
            self._process.wait()
            # The command never ran and has no pid, or it is already gone.
            with contextlib.suppress(AttributeError, ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


def _supervise(caller: int, fds: Sequence[int], command: Sequence[str]) -> int:
    wakeups, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    asked_to_end: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            asked_to_end.append(number)

    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note)
    child = subprocess.Popen(  # noqa: S603 - the caller's own command, never a shell
        command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True, pass_fds=fds
    )
    try:
        os.write(sys.stdout.fileno(), b"%d\n" % child.pid)
        while child.poll() is None and not asked_to_end and os.getppid() == caller:
            ready, _, _ = select.select([sys.stdin, wakeups], [], [], _CALLER_CHECK)
            if sys.stdin in ready and not os.read(sys.stdin.fileno(), 1):
                break  # the caller closed the pipe, or died
            if wakeups in ready:
                os.read(wakeups, 512)
    finally:
        _end(child)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and all its processes. The child's process id is also the id of its process group."""
    if child.poll() is not None:
        return
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


if __name__ == "__main__":
    _fds = [int(fd) for fd in sys.argv[2].split(",") if fd]
    sys.exit(_supervise(int(sys.argv[1]), _fds, sys.argv[3:]))
