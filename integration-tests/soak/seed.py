"""One seed: its runs under its faults, and what is counted."""

import asyncio
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from temporalio.client import Client

from . import effects, journal
from .clients import Decisions, Driver, Seen
from .faults import Faults
from .misses import Miss, model_calls_made_again, time_line, why_wedged
from .plan import faults_of, run_of
from .world import World, gone
from .zygote import Zygote

MOST_FILES, MOST_THREADS = 100, 80
"""What an idle worker may have open, and how many threads: its executors keep theirs."""


@dataclass(frozen=True)
class SeedSettings:
    """How one seed goes.

    Attributes:
        seed: The seed.
        folder: Where its files go.
        runs: How many runs it has; 0 for as many as fit into `seconds`.
        seconds: How long runs begin; 0 for no limit.
        kinds: The kinds of faults.
        every: Seconds between two faults, in the mean.
        workers: How many workers there are.
        at_once: How many runs are in progress at the same time.
        patience: Seconds after which a run that has not ended counts as wedged.
        old: The commit that deploys go back to.
    """

    seed: int
    folder: Path
    runs: int
    seconds: float
    kinds: list[str]
    every: float
    workers: int
    at_once: int
    patience: float
    old: str | None = None


@dataclass
class Tally:
    """What was counted for one seed."""

    seed: int
    runs: int = 0
    ended: int = 0
    failed: int = 0
    wedged: int = 0
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict[str, int])
    workflows: int = 0
    events: int = 0
    replayed: int = 0
    model_calls: int = 0
    model_calls_remade: int = 0
    model_calls_unheard: int = 0
    windows_ms: list[float] = field(default_factory=list[float])
    recorded_after_ms: list[float] = field(default_factory=list[float])
    effects: int = 0
    attempts: int = 0
    decisions: int = 0
    readers: int = 0
    full_disks: int = 0
    cut_short: int = 0
    failed_tasks: dict[str, int] = field(default_factory=dict[str, int])
    client_retries: int = 0
    held_up: int = 0
    cpu_by_part: dict[str, float] = field(default_factory=dict[str, float])
    samples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    misses: list[Miss] = field(default_factory=list[Miss])


class Seed:
    """Runs one seed."""

    def __init__(self, settings: SeedSettings, zygote: Zygote) -> None:
        self.settings, self._zygote = settings, zygote
        self.tally = Tally(settings.seed)
        self._began = 0.0
        self._wall = time.time() - time.monotonic()
        self._handed = 0

    async def run(self) -> Tally:
        """Run it, and return what was counted."""
        settings, tally = self.settings, self.tally
        old = settings.old if "deploy" in settings.kinds else None
        world = World(
            settings.folder, self._zygote, workers=settings.workers, old=old, clock="clock" in settings.kinds
        )
        async with world:
            clients = [await world.connect() for _ in range(3)]
            await self._workers_run(world)
            self._began = time.monotonic()
            await self._go(world, clients)
            tally.seconds = time.monotonic() - self._began
            tally.cpu_by_part = world.cpu_seconds()
            self._leaks(world)
            await self._end_workers(world)
        self._leftovers()
        self._count(settings.folder)
        return tally

    async def _workers_run(self, world: World) -> None:
        for _ in range(600):
            began = {
                line["slot"] for line in journal.lines(world.folder / "workers") if line["what"] == "runs"
            }
            if len(began) == len(world.slots):
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"the workers did not begin: see {world.folder / 'log'}")

    async def _go(self, world: World, clients: list[Client]) -> None:
        settings = self.settings
        faults = Faults(world, faults_of(settings.seed, settings.kinds, settings.every))
        decisions = Decisions({"ana": clients[1], "ben": clients[2]})
        driver = Driver(clients[:2], world.folder, settings.patience)
        beside = [asyncio.create_task(decisions.run()), asyncio.create_task(self._progress(world, faults))]
        faulting = asyncio.create_task(faults.run())
        try:
            await self._lead_all(driver, decisions, clients[0], world)
            faulting.cancel()
            await faults.settle()
            await self._wait_for_checks(world)
        finally:
            for task in (*beside, faulting):
                task.cancel()
            await asyncio.gather(*beside, faulting, return_exceptions=True)
        self.tally.faults = dict(faults.counts)
        self.tally.decisions = sum(len(each) for each in decisions.accepted.values())
        for text in (*faults.errors, *decisions.errors):
            self.tally.misses.append(Miss(settings.seed, "", "soak itself", text))

    async def _lead_all(self, driver: Driver, decisions: Decisions, client: Client, world: World) -> None:
        settings = self.settings
        numbers = iter(range(settings.runs or 10**9))

        async def lead_some() -> None:
            for number in numbers:
                if settings.seconds and time.monotonic() - self._began > settings.seconds:
                    return
                run = run_of(f"s{settings.seed}-{number}")
                self.tally.runs += 1
                seen = await driver.lead(run)
                await self._ended(seen, decisions, client, world)

        await asyncio.gather(*(lead_some() for _ in range(settings.at_once)))

    async def _ended(self, seen: Seen, decisions: Decisions, client: Client, world: World) -> None:
        tally = self.tally
        setattr(tally, seen.state, getattr(tally, seen.state) + 1)
        tally.client_retries += seen.retries
        if run_of(seen.run).read:
            tally.readers += 1
            if seen.state == "ended":
                await self._reader_ends(world, seen.run)
        if seen.state == "wedged":
            seen.why += ": " + await why_wedged(client, seen.run)
        if seen.state != "ended":
            self._miss(seen.run, seen.state, seen.why)
        accepted = decisions.accepted.get(seen.run, {})
        journal.put(world.folder / "checking" / seen.run, {**asdict(seen), "accepted": accepted})
        self._handed += 1

    async def _reader_ends(self, world: World, run: str) -> None:
        """Wait until a reader has come to the end of a stream; a reader may be killed meanwhile."""
        deadline = time.monotonic() + self.settings.patience
        while time.monotonic() < deadline:
            if any(line["what"] in ("end", "error") for line in journal.lines(world.folder / "read" / run)):
                return
            await asyncio.sleep(0.2)

    async def _wait_for_checks(self, world: World) -> None:
        for _ in range(6000):
            if len(list((world.folder / "checked").iterdir())) >= self._handed:
                return
            await asyncio.sleep(0.1)
        self._miss("", "soak itself", "the checkers did not come to an end")

    async def _progress(self, world: World, faults: Faults) -> None:
        while True:
            await asyncio.sleep(10)
            tally, lasted = self.tally, time.monotonic() - self._began
            checked = len(list((world.folder / "checked").iterdir()))
            hit = sum(faults.counts.values())
            sys.stdout.write(
                f"seed {tally.seed}  {lasted:5.0f} s  runs {tally.runs}, ended {tally.ended}, "
                f"checked {checked}, failed {tally.failed}, wedged {tally.wedged}; faults {hit}\n"
            )
            sys.stdout.flush()

    def _leaks(self, world: World) -> None:
        """Look at what idle workers have: a fresh one has some 25 files and 12 threads."""
        for slot in world.slots:
            with suppress(psutil.Error):
                worker = psutil.Process(slot.pid)
                files, threads = worker.num_fds(), worker.num_threads()
                if files > MOST_FILES or threads > MOST_THREADS:
                    self._miss(
                        "", "leak", f"idle worker {slot.number} has {files} files and {threads} threads"
                    )

    async def _end_workers(self, world: World) -> None:
        """End the workers in order. One whose workflow temporalio could not evict may not end: it says so."""
        for slot in world.slots:
            with suppress(psutil.Error):
                psutil.Process(slot.pid).terminate()
        for slot in world.slots:
            if not await gone(slot.pid, 45):
                if self.may_not_end(slot.pid):
                    self.tally.held_up += 1
                else:
                    self._miss("", "worker that does not end", f"slot {slot.number}, process {slot.pid}")

    def may_not_end(self, pid: int) -> bool:
        """Tell whether temporalio has said of a worker that its end may hang."""
        lines = journal.lines(self.settings.folder / "workers")
        return any(line["pid"] == pid and line["what"] == "may not end" for line in lines)

    def _leftovers(self) -> None:
        """Look for programs of this seed that outlived it: MCP servers, commands of the sandbox, a server."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("SOAK") == os.environ["SOAK"] and process.ppid() == 1:
                    self._miss("", "leaked process", " ".join(process.cmdline())[:200])
                    process.kill()

    def _count(self, folder: Path) -> None:
        tally = self.tally
        recorded: dict[str, list[float]] = {}
        given_up: dict[str, list[float]] = {}
        for file in sorted((folder / "checked").iterdir()):
            verdict = json.loads(file.read_text())
            tally.workflows += verdict["workflows"]
            tally.replayed += verdict["workflows"]
            tally.events += verdict["events"]
            tally.full_disks += verdict["full_disks"]
            tally.cut_short += verdict["cut_short"]
            recorded[verdict["run"]] = [at - self._wall for at in verdict["recorded"]]
            given_up[verdict["run"]] = [at - self._wall for at in verdict["given_up"]]
            for kind, text in verdict["misses"]:
                self._miss(verdict["run"], kind, text)
            for text in verdict["failures"]:
                told = text.partition(": ")[2][:120]
                tally.failed_tasks[told] = tally.failed_tasks.get(told, 0) + 1
        tally.effects, tally.attempts = effects.counts(folder / "effects.db")
        tally.samples = journal.lines(folder / "samples")
        calls = model_calls_made_again(folder, recorded, given_up)
        tally.model_calls, tally.model_calls_remade = calls.completed, calls.excused
        tally.model_calls_unheard = calls.unheard
        tally.windows_ms = calls.windows_ms
        tally.recorded_after_ms = calls.recorded_after_ms
        for run, text in calls.misses:
            self._miss(run, "model call made again", text)

    def _miss(self, run: str, kind: str, text: str) -> None:
        line = time_line(self.settings.folder, run) if run else []
        miss = Miss(self.settings.seed, run, kind, text, line)
        self.tally.misses.append(miss)
        journal.add(self.settings.folder / "misses.jsonl", **asdict(miss))
