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
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from temporalio.worker import Replayer

from . import checker, readers, workers, workflows


class Zygote:
    """The caller's half: begins processes.

    Args:
        link: The socket to the other half.
        wait: Waits for its end.
    """

    def __init__(self, link: socket.socket, wait: Callable[[], object]) -> None:
        link.setblocking(False)
        self._link, self._wait = link, wait
        self._lock = asyncio.Lock()

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
        return cls(here, partial(os.waitpid, process, 0))

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
        return cls(here, process.wait)

    async def begin(self, kind: str, **settings: Any) -> int:
        """Begin a process, and return its id.

        Args:
            kind: "worker", "reader" or "checker".
            **settings: What it is told.

        Raises:
            RuntimeError: If the other half has ended.
        """
        return await self._ask({"kind": kind, "settings": settings})

    async def end_all(self) -> None:
        """End what still runs of the processes that were begun.

        The other half does it: it knows which have ended, so that it kills no process that has an id again.

        Raises:
            RuntimeError: If the other half has ended.
        """
        await self._ask({"kind": "end"})

    async def _ask(self, told: dict[str, Any]) -> int:
        loop = asyncio.get_running_loop()
        async with self._lock:
            await loop.sock_sendall(self._link, (json.dumps(told) + "\n").encode())
            answer = await loop.sock_recv(self._link, 64)
        if not answer:
            raise RuntimeError("the process that begins others has ended: see its output above")
        return int(answer)

    def close(self) -> None:
        """End the other half, with everything that it began."""
        self._link.close()
        self._wait()


def _prepare() -> None:
    """Import what a worker imports late, too, and keep the collector, and so copies, away from all of it."""
    Replayer(workflows=[workflows.Soak], plugins=workers.plugins())
    gc.freeze()


def _serve(link: socket.socket) -> NoReturn:
    """Be the other half."""
    os.setsid()  # a terminal's Ctrl+C is for the caller, which then closes the socket
    begun: set[int] = set()

    def reap(*_: object) -> None:
        # Only those that are noted: until it is reaped, no other process gets the id of one that has ended.
        for pid in list(begun):
            with suppress(ChildProcessError):  # one signal interrupts the other, and has reaped it
                if os.waitpid(pid, os.WNOHANG)[0]:
                    begun.discard(pid)

    def end_all() -> None:
        for pid in list(begun):
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)

    signal.signal(signal.SIGCHLD, reap)
    with link.makefile("r") as lines:
        for line in lines:
            told = json.loads(line)
            if told["kind"] == "end":
                end_all()
                link.sendall(b"0\n")
                continue
            pid = os.fork()
            if pid == 0:
                _child(told, link)
            begun.add(pid)
            link.sendall(b"%d\n" % pid)
    end_all()
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
