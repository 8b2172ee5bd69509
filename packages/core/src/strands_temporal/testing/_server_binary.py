"""Finds the Temporal CLI's binary, which contains the dev server.

The search looks for `temporal` beside the running interpreter (the extra `dev` installs it there), then on
PATH. Then the Temporal SDK downloads it to a cache folder. The first file that starts is used.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .._upstream.process_end import SETTLE_SECONDS
from ._supervisor import Supervised

PROGRESS_EVERY = 10.0
"""Seconds between progress lines while the download runs."""

# Seconds. The download is about 100 MB.
_PROBE_TIMEOUT = 5.0
_DOWNLOAD_TIMEOUT = 300.0

_DOWNLOAD_HOST = "https://temporal.download/"  # the Temporal SDK downloads its dev server from here

_REMEDIES = {
    "environment": 'pip install "strands-temporal[dev]"',
    "PATH": "Install the Temporal CLI: https://docs.temporal.io/cli/setup-cli",
    "SDK download": f"Let this machine reach {_DOWNLOAD_HOST}.",
}

# Any answer is good, even a refused certificate, because the SDK has its own certificates. Proxies come from
# the environment.
_PROBE = """
import ssl, sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=4).close()
except urllib.error.HTTPError:
    pass
except OSError as error:
    reason = getattr(error, "reason", error)
    if not isinstance(reason, ssl.SSLCertVerificationError):
        sys.exit(f"{sys.argv[1]} is out of reach: {reason}")
"""

# Runs in its own process, which can be ended. At its exit the process waits for the SDK's threads, as in
# `_upstream/process_end.py`, but without the cost of importing that module. The SDK lets one process download
# at a time and keeps the file.
_DOWNLOAD = f"""
import asyncio, atexit, sys, time
atexit.register(time.sleep, {SETTLE_SECONDS})
from temporalio.testing import WorkflowEnvironment

async def main():
    async with await WorkflowEnvironment.start_local(download_dest_dir=sys.argv[1]):
        pass

try:
    asyncio.run(main())
except RuntimeError as error:
    sys.exit(str(error))
"""


class DevServerError(RuntimeError):
    """No Temporal dev server could be found, downloaded, started or reached. The message says what to do."""


class _NotFoundError(Exception):
    """One place does not have a binary that starts. The next place is tried."""


def print_progress(line: str) -> None:
    """Write a progress line to stderr."""
    sys.stderr.write(f"strands-temporal | {line}\n")
    sys.stderr.flush()


def find_server_binary(*, progress: Callable[[str], None] | None = None) -> tuple[Path, str]:
    """Find the Temporal CLI's binary: beside the running interpreter, on PATH, or with the SDK's download.

    Blocks for milliseconds if the binary is installed, and for seconds if the machine is offline. Otherwise
    it blocks until 100 MB are downloaded. The download is kept in `$STRANDS_TEMPORAL_CACHE`, by default
    `$XDG_CACHE_HOME/strands-temporal` or `~/.cache/strands-temporal`.

    Args:
        progress: Called about every ten seconds, with one line of text, while a download runs. By default the
            line goes to stderr.

    Returns:
        The binary, and where it was found: "environment", "PATH" or "SDK download".

    Raises:
        DevServerError: If nothing worked. The message lists what was tried, why it failed, and what to do.
    """
    return BinaryLookup(progress or print_progress).find()


class BinaryLookup:
    """One search for the binary, which another thread can cancel."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End the search soon. `find` then raises."""
        self._cancelled.set()

    def find(self) -> tuple[Path, str]:
        """See `find_server_binary`."""
        failures: list[str] = []
        places = (
            ("environment", lambda: _first_in(_environment_folders())),
            ("PATH", lambda: _first_in(_path_folders())),
            ("SDK download", self._download),
        )
        for source, look in places:
            try:
                return look(), source
            except (_NotFoundError, OSError) as error:  # noqa: PERF203 - OSError: such as a read-only cache
                failures.append(f"- {source}: {error}\n  {_REMEDIES[source]}")
        raise DevServerError(
            "No Temporal dev server was found. What was tried, and what to do (one is enough):\n"
            + "\n".join(failures)
            + f"\n- TEMPORAL_ADDRESS: {os.environ.get('TEMPORAL_ADDRESS') or 'not set'}.\n"
            "  Set it to the host:port of a Temporal server that runs."
        )

    def _download(self) -> Path:
        folder = _cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        if (file := _downloaded(folder)) is None:
            self._run(
                [sys.executable, "-I", "-c", _PROBE, _DOWNLOAD_HOST], "Looking for a download", _PROBE_TIMEOUT
            )
            download = [sys.executable, "-c", _DOWNLOAD, str(folder)]
            self._run(download, "Downloading the Temporal CLI", _DOWNLOAD_TIMEOUT)
            file = _downloaded(folder)
        if file is None:
            raise _NotFoundError(f"it left no file in {folder}.")
        if fault := _fault(file):
            raise _NotFoundError(f"{file} {fault}")
        return file

    def _run(self, command: list[str], what: str, timeout: float) -> None:
        begin, next_line = time.monotonic(), PROGRESS_EVERY
        with Supervised(command) as process:
            while (code := process.wait(0.2)) is None:
                if self._cancelled.is_set():
                    raise DevServerError("The search for a Temporal dev server was cancelled.")
                elapsed = time.monotonic() - begin
                if elapsed > timeout:
                    raise _NotFoundError(f"{what}: not done after {timeout:.0f} s.")
                if elapsed >= next_line:
                    next_line = elapsed + PROGRESS_EVERY
                    self._progress(f"{what}: {elapsed:.0f} s")
            if code:
                raise _NotFoundError(process.tail(3) or f"exit code {code}.")


def _environment_folders() -> Iterator[Path]:
    """Yield the folders into which pip puts the scripts of packages that this interpreter imports."""
    yield Path(sys.executable).parent
    yield Path(sysconfig.get_path("scripts"))
    for folder in map(Path, sys.path):  # several, where `uv run --with` puts one in front of another
        if folder.name == "site-packages" and len(folder.parents) > 2:  # PREFIX/lib/python3.11/site-packages
            yield folder.parents[2] / "bin"
    user = sysconfig.get_preferred_scheme("user")
    yield Path(sysconfig.get_path("scripts", user))


def _path_folders() -> Iterator[Path]:
    return (Path(folder).absolute() for folder in os.environ.get("PATH", "").split(os.pathsep) if folder)


def _first_in(folders: Iterable[Path]) -> Path:
    """Return the first `temporal` that starts.

    Raises:
        _NotFoundError: If there is none. The message names those that do not start.
    """
    faults: list[str] = []
    for folder in dict.fromkeys(folders):
        file = folder / "temporal"
        if file.is_file():
            if not (fault := _fault(file)):
                return file
            faults.append(f"{file} {fault}")
    raise _NotFoundError("; ".join(faults) or "no file named 'temporal'.")


def _cache_folder() -> Path:
    root = os.environ.get("STRANDS_TEMPORAL_CACHE")
    if not root:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strands-temporal"
    return Path(root).absolute() / "temporal-cli"


def _downloaded(folder: Path) -> Path | None:
    """Return the newest whole download. An unfinished one ends in `.downloading`."""
    files = [file for file in folder.iterdir() if file.is_file() and file.suffix != ".downloading"]
    return max(files, key=lambda file: file.stat().st_mtime, default=None)


def _fault(file: Path) -> str | None:
    """Return why `file` cannot be used, or None. `--version` must succeed; its output varies by build."""
    if not os.access(file, os.X_OK):
        return "is not executable."
    try:
        done = subprocess.run(  # noqa: S603 - the file under test, found where the docs say
            [file, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not start: {error}."
    return f"does not start: '--version' ended with {done.returncode}." if done.returncode else None
