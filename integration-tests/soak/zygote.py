"""A process that has imported everything and forks workers, readers and checkers: each begins in some 20 ms.

`python -m soak.zygote` reads a JSON line for each process to begin and answers with its process id. It ends, with all
processes that it began, when its stdin does.
"""

import asyncio
import gc
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from temporalio.worker import Replayer

from . import checker, readers, workers, workflows


def main() -> None:
    """Fork as told."""
    Replayer(workflows=[workflows.Soak], plugins=workers.plugins())  # has what a worker imports late imported here
    gc.freeze()
    begun: set[int] = set()
    signal.signal(signal.SIGCHLD, lambda *_: _reap(begun))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl+C is for the soak, which ends this process
    while line := _read_line():
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _child(told)
        begun.add(pid)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    for pid in begun:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _read_line() -> str:
    return sys.stdin.readline()  # Python goes on by itself after a signal


def _reap(begun: set[int]) -> None:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        begun.discard(pid)


def _child(told: dict[str, Any]) -> None:
    """Be the process that was asked for, and never return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        log = os.open(Path(told["settings"]["folder"]) / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        kind: Any = {"worker": workers, "reader": readers, "checker": checker}[told["kind"]]
        asyncio.run(kind.begin(**told["settings"]))
        code = 0
    except BaseException:  # noqa: BLE001 - this process ends here in any case
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class Zygote:
    """The caller's half: begins processes.

    Args:
        environment: Environment of the process and of those that it begins.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> "Zygote":
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "soak.zygote"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            start_new_session=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()

    async def begin(self, kind: str, **settings: Any) -> int:
        """Begin a process, and return its id.

        Args:
            kind: "worker", "reader" or "checker".
            **settings: What it is told.

        Raises:
            RuntimeError: If this process has ended.
        """
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the zygote does not run")
        async with self._lock:
            process.stdin.write((json.dumps({"kind": kind, "settings": settings}) + "\n").encode())
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError("the zygote has ended: see its output above")
        return int(line)


if __name__ == "__main__":
    main()
