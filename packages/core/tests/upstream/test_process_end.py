"""Short programs exit cleanly."""

import asyncio
import sys
from pathlib import Path

import pytest

from strands_temporal.testing import DevServer

pytestmark = pytest.mark.server

PROGRAM = """
import asyncio, sys
import strands_temporal
from temporalio.client import Client

async def main():
    client = await Client.connect(sys.argv[1])
    await client.count_workflows("")

asyncio.run(main())
print("done")
"""
"""A program as short as possible. Without a wait at its exit up to one run in five aborts."""


async def run(folder: Path, address: str) -> tuple[int | None, bytes]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(folder / "program.py"), address),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out


@pytest.mark.parametrize("runs", [4, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
async def test_a_short_program_ends_in_order(server: DevServer, tmp_path: Path, runs: int) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    for _ in range(0, runs, 4):
        ended = await asyncio.gather(*(run(tmp_path, server.address) for _ in range(4)))
        assert ended == [(0, b"done\n")] * 4


async def test_the_wait_comes_after_all_else_that_a_program_does_at_its_exit(
    server: DevServer, tmp_path: Path
) -> None:
    last = (
        "import atexit, time\nsleep = time.sleep\n"
        "time.sleep = lambda seconds: print(f'waits for {seconds:g}') or sleep(seconds)\n"
    )
    at_exit = "atexit.register(print, 'sends what is left')\n"
    (tmp_path / "program.py").write_text(last + PROGRAM + at_exit)
    code, out = await run(tmp_path, server.address)
    assert (code, out) == (0, b"done\nsends what is left\nwaits for 0.1\n")
