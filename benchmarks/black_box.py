"""The virtual environment of the package with which we compare, in the user's cache folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE_NAME = "temporalio-strands-agents"
PACKAGE = f"{PACKAGE_NAME}==0.1.0"


def black_box_python() -> tuple[str | None, str]:
    """Return the environment's Python, or None and the reason. The first use creates the environment."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None or shutil.which(uv) is None:
        return None, "uv was not found (set UV to its path, or put it on PATH)"
    folder = _cache() / f"{PACKAGE}-py{sys.version_info.major}.{sys.version_info.minor}".replace("==", "-")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ready = folder / "ready"
    if ready.exists():
        return str(python), ""
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), PACKAGE, "psutil"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None, f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}"
    ready.touch()
    return str(python), ""


def _cache() -> Path:
    """Return this project's cache folder, the one that the Makefile uses."""
    if given := os.environ.get("STRANDS_TEMPORAL_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strands-temporal"
