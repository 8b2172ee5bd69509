"""Run the unit tests on each supported Python on this machine, except the one that runs this script."""

import json
import os
import subprocess
import sys
from pathlib import Path

SUPPORTED_FROM = (3, 10)
PROBE = "import sys; print(sys.version_info.major, sys.version_info.minor, sys.version_info.releaselevel)"


def main() -> None:
    """Find the interpreters, and run the unit tests on each of them except the one that runs this script.

    Raises:
        SystemExit: The tests failed on at least one interpreter. They ran on all of them.
    """
    found = interpreters(os.environ.get("UV", "uv"))
    print(f"==> Pythons found: {', '.join(map(named, sorted(found)))}", flush=True)
    failed: list[str] = []
    for version in sorted(found.keys() - {sys.version_info[:2]}):
        print(f"==> Unit tests on Python {named(version)} ({found[version]})", flush=True)
        if run_unit_tests(found[version]):
            failed.append(named(version))
    if failed:
        raise SystemExit(f"The unit tests failed on Python {', '.join(failed)}")


def named(version: tuple[int, int]) -> str:
    """Return a version in dotted form."""
    return f"{version[0]}.{version[1]}"


def interpreters(uv: str) -> dict[tuple[int, int], Path]:
    """Return one interpreter for each supported version that uv or pyenv has installed."""
    listed = subprocess.run(
        [uv, "python", "list", "--only-installed", "--output-format", "json"],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ).stdout
    candidates = [Path(entry["path"]) for entry in json.loads(listed)]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(pyenv.glob("versions/*/bin/python3"))
    found: dict[tuple[int, int], Path] = {sys.version_info[:2]: Path(sys.executable)}
    for path in candidates:
        version = version_of(path)
        if version is not None and version >= SUPPORTED_FROM:
            found.setdefault(version, path)
    return found


def version_of(path: Path) -> tuple[int, int] | None:
    """Return an interpreter's major and minor version; None if it does not run or is not a final release."""
    try:
        probe = subprocess.run(
            [str(path), "-c", PROBE], check=True, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor, level = probe.stdout.split()
    return (int(major), int(minor)) if level == "final" else None


def run_unit_tests(python: Path) -> int:
    """Run the tests that need no server, in a separate environment; return the exit code."""
    command = [
        os.environ.get("UV", "uv"),
        "run",
        "--locked",
        "--isolated",
        "--all-packages",
        "--group",
        "dev",
    ]
    command += ["--python", str(python), "python", "-m", "pytest", "-q", "-m", "not server", "packages"]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    main()
