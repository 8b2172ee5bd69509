"""The builds that workers run: this one, an earlier one, and this one with a clock that jumps."""

import importlib.util
import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "mcp", "streaming", "otel", "hitl")


def earlier_build(commit: str, folder: Path) -> dict[str, str]:
    """Take the five packages out of a commit, and return the environment of a process that runs them.

    Everything else is as in this environment: other people's packages, and the soak itself.

    Raises:
        SystemExit: If the commit is not there.
    """
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit]
    done = subprocess.run(
        [*command, *(f"packages/{name}/src" for name in PACKAGES)], capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(
            f"The commit {commit!r} for --old is not in this clone: {done.stderr.decode().strip()}"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        tar.extractall(folder, filter="data")
    sources = [str(folder / "packages" / name / "src") for name in PACKAGES]
    return {"PYTHONPATH": os.pathsep.join([*sources, str(ROOT / "integration-tests")])}


def released_commit() -> str | None:
    """Return the tag of core that was released last; None if there is none."""
    command = ["git", "-C", str(ROOT), "describe", "--tags", "--abbrev=0", "--match=core/v*"]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.stdout.decode().strip() or None


def jumping_clock(folder: Path) -> dict[str, str] | None:
    """Return the environment of a process whose clock is set by a file; None if libfaketime is not installed.

    It reaches everything in the process that asks the C library for the time of day, Python and the SDK's own
    code as well. The monotonic clock goes on as ever, as it does when an operator or NTP sets a clock.

    Args:
        folder: Where the library is built; the file is `clock` in it.

    Raises:
        SystemExit: If the library cannot be built.
    """
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        return None
    shutil.copytree(Path(found.origin).parent / "vendor/libfaketime/src", folder)
    for built in folder.glob("*.so.1"):
        built.unlink()
    # As it is built by default it sets waits and sleeps too: they take half of a busy worker's CPU, and a
    # `time.sleep` may raise OSError.
    flags = "-UFAKE_PTHREAD -UFAKE_SLEEP -UFAKE_TIMERS -UFAKE_STAT -UFAKE_UTIME"
    command = ["make", "libfaketime.so.1"]
    environment = {**os.environ, "FAKETIME_COMPILE_CFLAGS": flags}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"libfaketime cannot be built here (jumps of the clock need make and a C compiler; --faults "
            f"without clock does not): {done.stderr.decode().strip()[-500:]}"
        )
    file = folder / "clock"
    file.write_text("+0\n")
    return {
        "LD_PRELOAD": str(folder / "libfaketime.so.1"),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        # Without a cache each question for the time opens and parses the file.
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
