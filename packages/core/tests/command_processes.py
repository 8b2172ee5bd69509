"""The script `strands-temporal` as real processes in real terminals."""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest

SCRIPT = Path(sys.executable).with_name("strands-temporal")
"""The installed script."""

WAIT = 90  # seconds; on a busy machine imports take ten

HELLO = '''
from datetime import timedelta

from strands_temporal import TemporalAgent


def hello() -> TemporalAgent:
    """Repeats what you say."""
    return TemporalAgent(start_to_close_timeout=timedelta(seconds=60), heartbeat_timeout=timedelta(seconds=3))
'''


class Folder:
    """A folder with a user's files, and an environment in which no other `strands-temporal dev` is found."""

    def __init__(self, path: Path, runtime: Path) -> None:
        self.path = path
        self.env = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(runtime),  # short: a socket's path has some hundred characters
            "COLUMNS": "120",
            "TERM": "xterm",
        }
        self.env.pop("TEMPORAL_ADDRESS", None)
        self.env.pop("PYTHONPATH", None)

    def write(self, name: str, source: str) -> Path:
        """Write a file as an editor does: replaced as a whole."""
        part = self.path / f".{name}.part"
        part.write_text(source)
        return part.replace(self.path / name)

    def spawn(self, *arguments: str) -> "pexpect.spawn[str]":
        """Run the script in a terminal."""
        return pexpect.spawn(
            str(SCRIPT),
            list(arguments),
            cwd=str(self.path),
            env=self.env,  # pyright: ignore[reportArgumentType]  # typeshed wants os.environ's own class
            encoding="utf-8",
            timeout=WAIT,
            echo=False,
            dimensions=(40, 200),
        )


@contextmanager
def user_folder(path: Path) -> Generator[Folder]:
    """Yield a folder for a user's files."""
    runtime = Path(tempfile.mkdtemp(prefix="st-"))
    try:
        yield Folder(path, runtime)
    finally:
        shutil.rmtree(runtime, ignore_errors=True)


class Dev:
    """A running `strands-temporal dev --json`."""

    def __init__(self, process: "pexpect.spawn[str]") -> None:
        self.process = process
        self.seen: list[dict[str, Any]] = []
        self._descendants: dict[int, psutil.Process] = {}

    def event(self, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """Read until an event of a kind; return it. What is printed between events is left out."""
        while True:
            self.process.expect(r"\r\n")
            _, found, rest = str(self.process.before).partition('{"event"')
            if not found:
                continue  # of the worker: agents print what the model says, without a line end
            event = json.loads(found + rest)
            self.seen.append(event)
            if event["event"] == kind and fits(event):
                self.look()
                return event
            assert event["event"] != "failed" or kind in ("failed", "changed"), event

    def look(self) -> None:
        """Remember the processes that it has started."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                self._descendants[process.pid] = process

    def end(self, sign: signal.Signals = signal.SIGINT) -> int | None:
        """Send a signal and wait for the end; return the exit code."""
        self.look()
        if self.process.isalive():
            self.process.kill(sign)
        self.process.expect(pexpect.EOF)
        self.process.close()
        return self.process.exitstatus

    def left_behind(self) -> list[psutil.Process]:
        """Return the processes that outlive it by more than ten seconds."""
        gone, alive = psutil.wait_procs(list(self._descendants.values()), timeout=10)
        del gone
        return alive

    @property
    def commands(self) -> list[str]:
        """The command lines of the processes that it has started and that still run."""
        self.look()
        return [" ".join(process.cmdline()) for process in self._descendants.values() if process.is_running()]


@contextmanager
def dev_running(folder: Folder, *arguments: str) -> Generator[Dev]:
    """Run `strands-temporal dev --json` while the block runs. It leaves no process behind."""
    dev = Dev(folder.spawn("dev", *arguments, "--json"))
    try:
        yield dev
    finally:
        if dev.process.isalive():
            dev.end()
        left = dev.left_behind()
        for process in left:
            process.kill()
        assert not left


def piped(folder: Folder, *arguments: str, typed: str) -> tuple[int, str, str]:
    """Run the script without a terminal; return exit code, standard output and standard error."""
    import subprocess

    done = subprocess.run(
        [str(SCRIPT), *arguments],
        input=typed,
        capture_output=True,
        text=True,
        cwd=folder.path,
        env=folder.env,
        timeout=WAIT,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def _keyboard(typed: str) -> Generator[None]:
    """Let descriptor 0 of this process have a text."""
    with tempfile.TemporaryFile() as file:
        file.write(typed.encode())
        file.seek(0)
        before = os.dup(0)
        os.dup2(file.fileno(), 0)
        try:
            yield
        finally:
            os.dup2(before, 0)
            os.close(before)


def called(folder: Folder, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    """Run the command line as `piped` does, in this process: a new one takes two seconds of imports.

    Not in a coroutine: the command runs an event loop of its own. `dev` needs real output for its worker.
    """
    from strands_temporal._commands._app import run

    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        _keyboard(typed),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        for name in set(os.environ) - set(folder.env):
            patched.delenv(name)
        for name, value in folder.env.items():
            patched.setenv(name, value)
        patched.chdir(folder.path)
        code = run(arguments)
    return code, out.getvalue(), err.getvalue()


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds, at most so long; return whether it does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
