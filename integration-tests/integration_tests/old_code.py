"""An earlier commit of this repository's core, as a wheel in a virtual environment of its own.

It is kept in the user's cache folder. `python -m integration_tests.old_code` makes it and prints its Python.
"""

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

SETTLED = "packages/core/src/strands_temporal/_wire/usual_calls.py"
"""The file with which the layout of model answers in history came. Older code does not read later answers, so
the commit that added this file is the oldest that runs beside today's."""


class OldCodeMissingError(Exception):
    """The old code cannot be had here. The text says why."""


def old_python() -> Path:
    """Return the Python of the environment with the old code. The first use makes the environment.

    Raises:
        OldCodeMissingError: If this clone has no history, or uv is missing.
    """
    commit = old_commit()
    pins = _run(
        *(_uv(), "export", "--frozen", "--quiet", "--no-hashes", "--no-emit-workspace", "--no-dev"),
        *("--package", "strands-temporal"),
    )
    key = hashlib.sha256(pins).hexdigest()[:12]
    cache = _cache() / "old-code"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{commit[:12]}-py{sys.version_info.major}.{sys.version_info.minor}-{key}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of several processes ask at once
        if not (folder / "ready").exists():
            _make(commit, pins, folder)
    return folder / "bin" / "python"


def old_commit() -> str:
    """Return the commit whose code is the old one.

    Raises:
        OldCodeMissingError: If this clone has no history.
    """
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        raise OldCodeMissingError("this is no clone of the repository")
    if _git("rev-parse", "--is-shallow-repository").strip() != "false":
        raise OldCodeMissingError("this clone has no history (it is shallow: git fetch --unshallow)")
    added = _git("log", "--diff-filter=A", "--format=%H", "--", SETTLED).split()
    if not added:
        raise OldCodeMissingError(f"the history of this clone does not have the commit that added {SETTLED}")
    return added[-1]


def _make(commit: str, pins: bytes, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="strands-temporal-old-code-") as work:
        source = Path(work)
        archive = _run("git", "-C", str(ROOT), "archive", "--format=tar", commit, "packages/core")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(source, filter="data")
        (source / "pins.txt").write_bytes(pins)
        package, wheels = source / "packages" / "core", source / "wheels"
        _run(_uv(), "build", "--quiet", "--wheel", "--out-dir", str(wheels), str(package))
        (wheel,) = wheels.glob("*.whl")
        _run(_uv(), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        _run(
            *(_uv(), "pip", "install", "--quiet", "--compile-bytecode"),
            *(
                "--python",
                str(folder / "bin" / "python"),
                "--constraints",
                str(source / "pins.txt"),
                str(wheel),
            ),
        )
    (folder / "ready").touch()


def _git(*arguments: str) -> str:
    return _run("git", "-C", str(ROOT), *arguments).decode()


def _uv() -> str:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise OldCodeMissingError("uv was not found (set UV to its path, or put it on PATH)")
    return uv


def _run(*command: str) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT)
    if done.returncode:
        raise OldCodeMissingError(f"`{' '.join(command)}` failed: {done.stderr.decode()[-500:]}")
    return done.stdout


def _cache() -> Path:
    """Return this project's cache folder, the one that the Makefile uses."""
    if given := os.environ.get("STRANDS_TEMPORAL_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strands-temporal"


if __name__ == "__main__":
    sys.stdout.write(f"{old_python()}\n")
