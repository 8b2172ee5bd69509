"""A machine without Temporal, programs that pretend to be Temporal, and waits for the end of processes."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

LIMIT = 30.0  # seconds; what these tests wait for usually takes one
BINARY = "strands_temporal.testing._server_binary"
NOWHERE = "http://127.0.0.1:1/"


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.delenv("TEMPORAL_UI_ADDRESS", raising=False)


@dataclass
class Machine:
    environment: Path
    path: Path
    cache: Path

    @property
    def downloaded(self) -> Path:
        return self.cache / "temporal-cli" / "temporal-of-the-sdk"


def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine without Temporal and without a network."""
    made = Machine(tmp_path / "venv", tmp_path / "bin", tmp_path / "cache")
    made.path.mkdir()
    monkeypatch.setenv("PATH", str(made.path))
    monkeypatch.setenv("STRANDS_TEMPORAL_CACHE", str(made.cache))
    monkeypatch.setattr(f"{BINARY}._DOWNLOAD_HOST", NOWHERE)
    monkeypatch.setattr(f"{BINARY}._environment_folders", lambda: [made.environment])
    return made


def program(file: Path, python: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!{sys.executable}\n{python}")
    file.chmod(0o755)
    return file


def wait_until(done: Callable[[], bool], what: str):
    deadline = time.monotonic() + LIMIT
    while not done():
        assert time.monotonic() < deadline, f"not within {LIMIT} s: {what}"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def wait_gone(pid: int):
    wait_until(lambda: is_gone(pid), f"process {pid} is gone")
