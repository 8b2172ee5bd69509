"""`make soak`: run seeds, print the table, and exit with 0 only if nothing was missed."""

import argparse
import asyncio
import importlib.util
import itertools
import os
import shutil
import sys
import tempfile
from pathlib import Path

from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig

from .builds import released_commit
from .plan import KINDS, faults_of
from .report import save, table, told
from .seed import Seed, SeedSettings, Tally
from .zygote import Zygote


def main() -> None:
    """Read the command line and run."""
    options = _options()
    for what in ("TRACES", "METRICS", "LOGS"):
        os.environ.setdefault(f"OTEL_{what}_EXPORTER", "none")
    os.environ["SOAK"] = str(os.getpid())  # programs that the soak begins are found by it
    zygote = Zygote.fork()
    # Of the SDK's own log, the clients of the soak print errors only: the server is away all the time.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter="error"))))
    root = Path(options.folder or tempfile.mkdtemp(prefix="soak-"))
    tallies: list[Tally] = []
    code = 0
    try:
        asyncio.run(_run_seeds(options, root, zygote, tallies))
    except KeyboardInterrupt:
        _print("interrupted: the table has the seeds that came to their end")
        code = 130
    zygote.close()
    _print(table(tallies))
    if any(tally.misses for tally in tallies):
        _print(
            f"The files of the seeds with misses are in {root}. One seed again: --seeds SEED, same options."
        )
        sys.exit(code or 1)
    if not options.folder:
        shutil.rmtree(root, ignore_errors=True)
    sys.exit(code)


async def _run_seeds(options: argparse.Namespace, root: Path, zygote: Zygote, tallies: list[Tally]) -> None:
    kinds, old = _kinds(options)
    for seed in options.seeds:
        settings = SeedSettings(
            seed=seed,
            folder=root / f"seed-{seed}",
            runs=options.runs,
            seconds=options.seconds,
            kinds=kinds,
            every=options.every,
            workers=options.workers,
            at_once=options.at_once,
            patience=options.patience,
            old=old,
        )
        _print(f"seed {seed}: {_plan_of(settings)}")
        tally = await Seed(settings, zygote).run()
        tallies.append(tally)
        if options.json:
            save(tallies, Path(options.json))
        for miss in tally.misses[: options.show]:
            _print(told(miss))
        if not tally.misses and not options.keep:
            shutil.rmtree(settings.folder)


def _kinds(options: argparse.Namespace) -> tuple[list[str], str | None]:
    """Return the kinds of faults that can be done here, and the commit of the earlier build."""
    kinds, old = list(options.faults), options.old or released_commit()
    if "deploy" in kinds and old is None:
        _print("No deploys: nothing is released yet. Name a commit with --old.")
        kinds.remove("deploy")
    if "clock" in kinds and importlib.util.find_spec("libfaketime") is None:
        _print("No jumps of the clock: libfaketime is not installed.")
        kinds.remove("clock")
    return kinds, old


def _options() -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args()
    if not (options.runs or options.seconds):
        parser.error("without a number of runs (--runs 0) a seed needs --seconds")
    if min(options.workers, options.at_once, options.every) <= 0:
        parser.error("--workers, --at-once and --every must be positive")
    if Path(options.folder or ".missing").exists():
        parser.error(f"--folder {options.folder} exists already: give a new one")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=250, help="runs of each seed; 0: as many as fit in --seconds"
    )
    parser.add_argument(
        "--seconds", type=float, default=0, help="how long each seed begins runs; 0: no limit"
    )
    parser.add_argument("--seeds", type=_seeds, default=[1], help="as in 1-20 or 3,5,8")
    parser.add_argument(
        "--faults", type=_faults, default=list(KINDS), help=f"all, or some of {','.join(KINDS)}; '' for none"
    )
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two faults, in the mean")
    parser.add_argument(
        "--workers", type=int, default=3, help="worker processes; the last has no workflow cache"
    )
    parser.add_argument("--at-once", type=int, default=40, help="runs in progress at the same time")
    parser.add_argument("--patience", type=float, default=300, help="seconds until a run counts as wedged")
    parser.add_argument("--old", help="commit that deploys go back to; by default the last release")
    parser.add_argument(
        "--show", type=int, default=5, help="misses of each seed to print with their time lines"
    )
    parser.add_argument("--folder", help="where files go; by default a temporary folder")
    parser.add_argument("--keep", action="store_true", help="keep the files of seeds without a miss, too")
    parser.add_argument("--json", help="file for everything that was counted, written after each seed")
    return parser


def _seeds(text: str) -> list[int]:
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        seeds += range(int(first), int(last or first) + 1)
    return seeds


def _faults(text: str) -> list[str]:
    kinds = list(KINDS) if text == "all" else [kind for kind in text.split(",") if kind]
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise argparse.ArgumentTypeError(f"unknown {', '.join(unknown)}. Known: {', '.join(KINDS)}")
    return kinds


def _plan_of(settings: SeedSettings) -> str:
    runs = settings.runs or "as many runs as fit"
    first = list(itertools.islice(faults_of(settings.seed, settings.kinds, settings.every), 8))
    return f"{runs} runs; the first faults:\n" + "\n".join(f"  {fault}" for fault in first)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
