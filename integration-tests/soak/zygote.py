"""A process that has imported everything and forks workers, readers and checkers, each in some 20 ms.

It reads a JSON line for each process to begin and answers with its process id. It ends, with all processes
that it began, when its caller closes the socket or dies.
"""

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from temporalio.worker import Replayer

from . import checker, readers, workers, workflows


class Zygote:
    """The caller's half: begins processes.

    Args:
        process: Process id of the other half.
        link: The socket to it.
    """

    def __init__(self, process: int, link: socket.socket) -> None:
        link.setblocking(False)
        self._process, self._link = process, link
        self._lock = asyncio.Lock()
        self.begun: list[int] = []

    @classmethod
    def fork(cls) -> "Zygote":
        """Fork this process, which must not have threads yet: what it has imported is not imported again."""
        _prepare()
        here, there = socket.socketpair()
        process = os.fork()
        if process == 0:
            here.close()
            _serve(there)
        there.close()
        return cls(process, here)

    @classmethod
    def program(cls, environment: Mapping[str, str]) -> "Zygote":
        """Run the other half as a program of its own, with an environment of its own."""
        here, there = socket.socketpair()
        with there:
            process = subprocess.Popen(
                [sys.executable, "-m", "soak.zygote", str(there.fileno())],
                env=environment,
                pass_fds=[there.fileno()],
            )
        return cls(process.pid, here)

    async def begin(self, kind: str, **settings: Any) -> int:
        """Begin a process, and return its id.

        Args:
            kind: "worker", "reader" or "checker".
            **settings: What it is told.

        Raises:
            RuntimeError: If the other half has ended.
        """
        loop = asyncio.get_running_loop()
        async with self._lock:
            await loop.sock_sendall(
                self._link, (json.dumps({"kind": kind, "settings": settings}) + "\n").encode()
            )
            answer = await loop.sock_recv(self._link, 64)
        if not answer:
            raise RuntimeError("the process that begins others has ended: see its output above")
        self.begun.append(int(answer))
        return self.begun[-1]

    async def end_all(self) -> list[int]:
        """End what still runs of the processes that were begun, and return their ids."""
        return [pid for pid in self.begun if _killed(pid)]

    def close(self) -> None:
        """End the other half, with everything that it began."""
        self._link.close()
        with suppress(ChildProcessError):
            os.waitpid(self._process, 0)


def _killed(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _prepare() -> None:
    """Import what a worker imports late, too, and keep the collector, and so copies, away from all of it."""
    Replayer(workflows=[workflows.Soak], plugins=workers.plugins())
    gc.freeze()


def _serve(link: socket.socket) -> NoReturn:
    """Be the other half."""
    os.setsid()  # a terminal's Ctrl+C is for the caller, which then closes the socket
    begun: set[int] = set()

    def reap(*_: object) -> None:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                begun.discard(ended)

    signal.signal(signal.SIGCHLD, reap)
    with link.makefile("r") as lines:
        for line in lines:
            told = json.loads(line)
            pid = os.fork()
            if pid == 0:
                _child(told, link)
            begun.add(pid)
            link.sendall(b"%d\n" % pid)
    for pid in list(begun):
        _killed(pid)
    os._exit(0)


def _child(told: dict[str, Any], link: socket.socket) -> NoReturn:
    """Be the process that was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    link.close()
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


if __name__ == "__main__":
    _prepare()
    _serve(socket.socket(fileno=int(sys.argv[1])))
