"""Runs each measure in its own process, in its subject's environment, with a time limit."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.black_box import PACKAGE_NAME
from benchmarks.load import Load

ROOT = Path(__file__).parent.parent
LIMIT = 240.0
"""Seconds for one child process."""

LONG = 1200.0
"""Seconds for one that takes thousands of turns or calls."""

COMPARED = ("floor", "ours", "black_box")
"""The subjects of most measures."""

ALL = ("floor", "strands", "bare_agent", "ours", "today", "black_box")
"""The subjects of measures of CPU."""

IDLE = ("floor", "bare_agent", "ours", "black_box")
"""The subjects of the measure of memory."""

MODULES = {"today": "ours"}
"""The module of `subjects` for those that have none of their own."""

IMPORTS = {
    "ours": "strands_temporal",
    "today": "strands_temporal",
    "black_box": "temporalio.strands_agents",
}
"""The module that each subject imports on top of Temporal and Strands."""


_COSTS = """
import json, sys, time, strands, temporalio.client, temporalio.worker, temporalio.workflow
from importlib.machinery import SourceFileLoader
costs, inside = {{}}, [0.0]
load = SourceFileLoader.exec_module
def timed(self, module):
    started = time.process_time()
    inside.append(0.0)
    try:
        load(self, module)
    finally:
        taken = 1000 * (time.process_time() - started)
        costs[module.__name__] = taken - inside.pop()
        inside[-1] += taken
SourceFileLoader.exec_module = timed
import {module}
print(json.dumps({{"costs": costs}}))
"""
"""Times each module without those that it imports."""


@dataclass(frozen=True)
class Sizes:
    """How much of everything to measure. The test of the benchmarks uses small sizes.

    Attributes:
        turns: Turns of a long conversation.
        early: First turn at which CPU is sampled.
        calls: Tool calls of a long turn.
        before: Messages of 20 KB before that turn.
        large: Turns with large answers.
        large_bytes: Bytes of such an answer.
        agents: Agents that run at the same time.
        alone: Agents that run one after the other.
        idle: Agents that wait in the cache.
        crowd: Chats in the cache: at the first measure of turns, at that of memory, and in the end.
        crowd_turns: Turns of which the 95th percentile is taken.
        long_calls: Tool calls of a turn that is longer than a history.
        long_kept: The same of one whose messages are all kept.
        long_part: Calls at its begin and at its end that are compared. A divisor of both.
        firsts: Answers of each subject, in each round, of which the first chunk is measured.
        rounds: How often each timing is repeated.
    """

    turns: int = 200
    early: int = 50
    calls: int = 100
    before: int = 40
    large: int = 100
    large_bytes: int = 256 * 1024
    agents: int = 200
    alone: int = 100
    idle: int = 300
    crowd: tuple[int, int, int] = (100, 200, 2000)
    crowd_turns: int = 200
    long_calls: int = 3000
    long_kept: int = 600
    long_part: int = 100
    firsts: int = 30
    rounds: int = 3


@dataclass
class Lab:
    """Measures subjects on one server.

    Attributes:
        address: The server's.
        pythons: The Python of each subject's environment.
        folder: Folder for the histories.
        sizes: How much of everything.
        say: Called with a line after each measure.
        sources: Folders with other sources of our packages, of the subjects that use them.
    """

    address: str
    pythons: dict[str, str]
    folder: Path
    sizes: Sizes = field(default_factory=Sizes)
    say: Callable[[str], Any] = print
    sources: "dict[str, list[str]]" = field(default_factory=dict[str, list[str]])
    _done: "dict[tuple[str, Load, int], dict[str, Any]]" = field(default_factory=dict[Any, Any])

    def subjects(self, names: Sequence[str] = COMPARED) -> list[str]:
        """Return those of these subjects that can be measured here."""
        return [name for name in names if name in self.pythons]

    async def conversation(self, subject: str, load: Load, number: int = 0) -> dict[str, Any]:
        """Run a conversation, once for each `number`. "history" in the result is its history's file."""
        key = (subject, load, number)
        if key not in self._done:
            keep = str(self.folder / f"{uuid4()}.json")
            result = await self.run(subject, "conversation", load, keep=keep)
            self._done[key] = {**result, "history": keep}
        return self._done[key]

    async def run(self, subject: str, measure: str, load: Load, **arguments: Any) -> dict[str, Any]:
        """Run one measure of `measures.py` or `streams.py`. A failure becomes a result with "error".

        Args:
            subject: The subject whose environment is used.
            measure: Name of the measure.
            load: The conversation.
            arguments: The measure's own; `_as` is another module of `subjects`, `_on` folders with other
                sources of our packages, `_limit` the seconds that it may take.
        """
        module = arguments.pop("_as", MODULES.get(subject, subject))
        sources = arguments.pop("_on", self.sources.get(subject, []))
        limit = arguments.pop("_limit", LIMIT)
        given = {"load": asdict(load), **arguments}
        child = ("-m", "benchmarks.child", module, measure, self.address, json.dumps(given))
        started = time.monotonic()
        result = await self._child(subject, *child, sources=sources, limit=limit)
        what = arguments or _brief(load)
        self.say(f"{time.monotonic() - started:6.1f} s  {subject}: {measure} of {what}")
        return result

    async def import_ms(self, subject: str) -> dict[str, Any]:
        """Import the subject's package on top of Temporal and Strands, in a fresh process. Return its CPU."""
        code = (
            "import json, time, strands, temporalio.client, temporalio.worker, temporalio.workflow\n"
            f"started = time.process_time()\nimport {IMPORTS[subject]}\n"
            "print(json.dumps({'ms': 1000 * (time.process_time() - started)}))"
        )
        return await self._child(subject, "-c", code, sources=self.sources.get(subject, []))

    async def import_costs(self, subject: str, most: int = 5) -> list[str]:
        """Return the modules that cost most when the subject's package is imported, with milliseconds."""
        found = await self._child(
            subject, "-c", _COSTS.format(module=IMPORTS[subject]), sources=self.sources.get(subject, [])
        )
        costs = sorted(found.get("costs", {}).items(), key=lambda item: -item[1])
        return [f"{name} {ms:.1f}" for name, ms in costs[:most]]

    async def versions(self, subject: str) -> dict[str, str]:
        """Return the versions of the packages in a subject."""
        names = ["temporalio", "strands-agents", "strands-temporal" if subject == "ours" else PACKAGE_NAME]
        code = (
            "import json, sys\nfrom importlib.metadata import version\n"
            f"print(json.dumps({{name: version(name) for name in {names}}}))"
        )
        return await self._child(subject, "-c", code)

    async def _child(
        self, subject: str, *arguments: str, sources: Sequence[str] = (), limit: float = LIMIT
    ) -> dict[str, Any]:
        path = os.pathsep.join([str(ROOT), *sources])
        environment = {**os.environ, "PYTHONPATH": path, "OTEL_SDK_DISABLED": "true"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        process = await asyncio.create_subprocess_exec(
            self.pythons[subject],
            *arguments,
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), limit)
        except asyncio.TimeoutError:
            return {"error": f"not done after {limit:.0f} s"}
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if (
            lines := output.decode().splitlines()
        ):  # also of a process that crashed at its exit, after it measured
            return json.loads(lines[-1])
        return {"error": f"exit code {process.returncode}: {_reason(errors.decode(errors='replace'))}"[:300]}


def _brief(load: Load) -> str:
    """Return the fields of a load that differ from the defaults."""
    usual = asdict(Load())
    return (
        ", ".join(f"{key}={value}" for key, value in asdict(load).items() if value != usual[key])
        or "one turn"
    )


def _reason(errors: str) -> str:
    """Return the most telling line of a process's last output."""
    lines = [line for line in errors.strip().splitlines() if line.strip()] or ["no output"]
    return next((line for line in lines if line.startswith("Fatal")), lines[-1])
