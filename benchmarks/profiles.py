"""Flame graphs of our workers: `make bench ONLY=profile`.

Each is of a process of its own, which py-spy samples from outside while what is profiled runs: imports and
warm-up are not in the picture. It runs twice, for the collapsed stacks and for the flame graph.
"""

import asyncio
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from temporalio.worker import Replayer

from benchmarks.lab import Lab
from benchmarks.load import Load
from benchmarks.measures import WARM_UP, Bench, many, saved

RATE = 200
"""Samples in a second."""

REPLAYS = 5
"""Replays in a flame graph."""

_FORMATS = {"raw": "txt", "flamegraph": "svg"}
"""The formats of py-spy, and how the names of the files end."""

_PR_SET_PTRACER, _ANY = 0x59616D61, ctypes.c_ulong(-1)

_WHAT_TO_DO = (
    "py-spy could not read the profiled process: {reason}. On macOS it needs root (`sudo make bench "
    "ONLY=profile`). On Linux it needs none, unless /proc/sys/kernel/yama/ptrace_scope is 2 or 3 (set it to "
    "1, or use sudo), or a container forbids it (start the container with `--cap-add SYS_PTRACE`)."
)


async def profiles(lab: Lab, folder: Path, native: bool = False) -> list[str]:
    """Write flame graphs of a worker with many agents and of replays. Return the files, or what failed.

    Args:
        lab: What measures.
        folder: Folder for the files.
        native: Whether the stacks have the frames of extension modules and of Python itself, too.
    """
    lines: list[str] = []

    async def take(measure: str, name: str, load: Load, **given: Any) -> None:
        files = {kind: str(folder / f"{name}.{end}") for kind, end in _FORMATS.items()}
        result = await lab.run("ours", measure, load, files=files, native=native, **given)
        lines.extend([f"{name}: {result['error']}"] if "error" in result else files.values())

    count = lab.sizes.agents
    await take("profile_agents", f"agents-{count}", Load(calls=1), count=count)
    for window, name in ((True, "window"), (False, "no-window")):
        load = Load(turns=lab.sizes.turns, window=window)
        recorded = await lab.conversation("ours", load)
        await take("profile_replay", f"replay-{load.turns}-{name}", load, history=recorded["history"])
    return lines


async def profile_agents(bench: Bench, count: int, files: dict[str, str], native: bool) -> dict[str, Any]:
    """Profile a worker on which many workflows run at once.

    Args:
        bench: What is profiled.
        count: How many.
        files: The file for each of py-spy's formats.
        native: As in `profiles`.
    """
    async with bench.worker() as client:
        await many(bench, client, min(WARM_UP, count))
        return await sample(lambda: many(bench, client, count), files, native)


async def profile_replay(bench: Bench, history: str, files: dict[str, str], native: bool) -> dict[str, Any]:
    """Profile replays of a history.

    Args:
        bench: What is profiled.
        history: File with the history.
        files: The file for each of py-spy's formats.
        native: As in `profiles`.
    """
    recorded = saved(history)

    async def replay() -> None:
        replayer = Replayer(workflows=[bench.subject.Conversation], plugins=bench.plugins)
        await replayer.replay_workflow(recorded)

    async def replays() -> None:
        for _ in range(REPLAYS):
            await replay()

    await replay()
    return await sample(replays, files, native)


def py_spy() -> str | None:
    """Return the path of py-spy, if it is installed."""
    return shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")


async def sample(phase: Callable[[], Awaitable[None]], files: dict[str, str], native: bool) -> dict[str, Any]:
    """Run a phase once for each file while py-spy samples this process. Return the files, or an error.

    Args:
        phase: What to sample.
        files: The file for each of py-spy's formats.
        native: As in `profiles`.
    """
    program = py_spy()
    if program is None:
        return {"error": "py-spy was not found: run `make setup`"}
    try:
        for kind, file in files.items():
            async with _sampled(program, "--format", kind, "--output", file, *["--native"] * native):
                await phase()
    except RuntimeError as error:
        return {"error": str(error)}
    return {"files": list(files.values())}


@asynccontextmanager
async def _sampled(program: str, *options: str) -> AsyncGenerator[None, None]:
    """Have this process sampled while the block runs. Raises RuntimeError if py-spy cannot."""
    # Where only a parent may trace (yama), this allows it; elsewhere it changes nothing.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
    # Only the thread that holds the GIL is sampled: waiting is not shown, and no time is there twice.
    command = ("record", "--pid", str(os.getpid()), "--rate", str(RATE), "--function", "--gil", *options)
    process = await asyncio.create_subprocess_exec(
        program, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        if process.stdout is None or process.stderr is None:
            raise RuntimeError("py-spy has no output")
        started = await asyncio.wait_for(process.stdout.readline(), 60)
        if b"Sampling process" in started:
            yield
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 60)
        if process.returncode or not started:
            reason = errors.decode(errors="replace").strip().partition("\n")[0].removeprefix("Error: ")
            raise RuntimeError(_WHAT_TO_DO.format(reason=reason))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
