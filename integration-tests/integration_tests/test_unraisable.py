"""Anything left to the garbage collector fails a test, whoever left it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DROPPED = """
import asyncio

class {owner}:
    async def stream_async(self):
        try:
            yield
        finally:
            await asyncio.sleep(0)

def test_it():
    started = {owner}().stream_async().__anext__()
    try:
        started.send(None)
    except StopIteration:
        pass
"""
LEAKED = """
from strands_temporal_mcp import TemporalMCPClient

def test_it():
    TemporalMCPClient("x").load_tools()
"""


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "left",
    [DROPPED.format(owner="Agent"), DROPPED.format(owner="TemporalAgent"), LEAKED],
    ids=["a generator of Strands", "a generator of ours", "a coroutine of ours"],
)
def test_what_is_left_to_the_garbage_collector(tmp_path: Path, left: str) -> None:
    test = tmp_path / "test_left.py"
    test.write_text(left)
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider"]
    done = subprocess.run([*command, str(test)], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout
    assert "PytestUnraisableExceptionWarning" in done.stdout
