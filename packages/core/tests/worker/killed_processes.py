"""Worker processes that kill themselves at named points, and what they note in files for the test."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

_here: Path | None = None
"""The folder of this process's worker; None in the test's own process."""


def settle(folder: Path) -> None:
    """Note everything in a folder from now on, and die where it says so."""
    global _here
    _here = folder


def die_once(point: str) -> None:
    """Kill this worker, if the test wants that at this point and it did not happen yet."""
    if _here is None or not (wish := _here / "die" / point.replace(" ", "-")).exists():
        return
    wish.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def note(name: str, *values: Any) -> None:
    """Add a line to a file of the test's folder, in one write."""
    if _here is not None:
        with (_here / name).open("ab", buffering=0) as file:
            file.write((json.dumps(values) + "\n").encode())


def number_of(name: str, value: Any) -> int:
    """Return the place of a value in a file of the test's folder, from 1 on; adds it if it is new."""
    if _here is None:
        return 0
    known = noted(_here, name)
    if [value] not in known:
        note(name, value)
        return len(known) + 1
    return known.index([value]) + 1


def noted(folder: Path, name: str) -> list[list[Any]]:
    """Return the lines of a file of the test's folder."""
    file = folder / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def left_to_die_at(folder: Path) -> list[str]:
    """Return the points that no worker has reached yet."""
    return [point.name for point in (folder / "die").iterdir()]


def kill_last(folder: Path) -> None:
    """Kill the worker that began last."""
    with suppress(ProcessLookupError):
        os.kill(noted(folder, "began")[-1][0], signal.SIGKILL)


async def start(module: str, call: str) -> asyncio.subprocess.Process:
    """Start a process that calls a function of a module."""
    code = f"import asyncio; from pathlib import Path, PosixPath; from {module} import *; {call}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=Path.cwd(), env=environment)


async def run(module: str, call: str, timeout: float) -> None:
    """Call a function of a module in its own process, and wait for its end.

    Args:
        module: Name of the module.
        call: The call.
        timeout: Seconds that it may take.
    """
    process = await start(module, call)
    try:
        assert await asyncio.wait_for(process.wait(), timeout) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def kept_running(
    folder: Path, module: str, work: str, dies_at: Iterable[str] = ()
) -> AsyncGenerator[None]:
    """Keep one worker running: another one starts when it ends.

    Args:
        folder: The test's folder.
        module: Name of the module with the worker.
        work: Call of its function, which runs the worker until the process ends.
        dies_at: Points at which a worker kills itself, each once.
    """
    (folder / "die").mkdir()
    for point in dies_at:
        (folder / "die" / point.replace(" ", "-")).touch()

    async def keep() -> None:
        while True:
            process = await start(module, f"asyncio.run({work})")
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
