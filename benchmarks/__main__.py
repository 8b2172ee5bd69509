"""`make bench`: compares strands-temporal with what it cannot be cheaper than, in one run.

The floor is a plain Temporal workflow with the same model and tool calls. It writes the least history that
they need. Plain Strands is the same agent without Temporal. Both together are the limit. An earlier build of
strands-temporal and another integration are measured beside them.

python -m benchmarks [--only history,cpu] [--rounds 1] [--without black_box,today]

`--only profile` writes flame graphs instead.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks import builds, report
from benchmarks.black_box import black_box_python
from benchmarks.lab import ALL, Lab, Sizes
from benchmarks.profiles import profiles
from benchmarks.row import Rows
from benchmarks.rows import ROWS
from strands_temporal.testing import DevServer

PROFILE = "profile"
"""What `--only` takes beside the measures."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", default=",".join(ROWS), help="the measures, separated by commas: %(default)s"
    )
    parser.add_argument("--rounds", type=int, default=Sizes.rounds, help="how often to repeat each timing")
    others = [name for name in ALL if name != "ours"]
    parser.add_argument(
        "--without",
        default="",
        help=f"subjects that are left out, separated by commas, of {','.join(others)}",
    )
    parser.add_argument("--profiles", type=Path, default=Path(".bench"), help="folder for flame graphs")
    parser.add_argument("--native", action="store_true", help="flame graphs with the frames of native code")
    given = parser.parse_args()
    given.profiles = given.profiles.absolute()
    for name, known in (("only", [*ROWS, PROFILE]), ("without", others)):
        values = [value for value in getattr(given, name).split(",") if value]
        unknown = sorted(set(values) - set(known))
        if unknown:
            parser.error(f"--{name}: unknown {unknown}. Known: {known}")
        setattr(given, name, values)
    return given


async def main() -> None:
    """Measure and print the table. If everything was measured, write the files with the results."""
    given = arguments()
    console = Console()
    if not console.is_terminal:
        console.width = 150
    if PROFILE in given.only:
        given.profiles.mkdir(parents=True, exist_ok=True)
    rows: Rows = []
    machine = report.Machine()
    with tempfile.TemporaryDirectory() as folder:
        async with DevServer() as server:
            lab, missing = await lab_with(given, server.address, Path(folder), partial(log, console))
            for key in given.only:
                rows += await ROWS[key](lab) if key != PROFILE else []
            files = await profiles(lab, given.profiles, given.native) if PROFILE in given.only else []
            packages = lab.subjects(("ours", "black_box"))
            versions = {name: await lab.versions(name) for name in packages}
    if rows:
        report.show(console, rows, missing)
    for line in files:
        console.print(line, highlight=False, soft_wrap=True)
    if set(given.only) == set(ROWS) and not missing:
        report.write(Path(__file__).parent, rows, {**machine.facts(), "versions": versions})


async def lab_with(
    given: argparse.Namespace, address: str, folder: Path, say: Callable[[str], None]
) -> tuple[Lab, dict[str, str]]:
    """Return a lab with the subjects that are wanted and can be had, and why the others are missing."""
    pythons = dict.fromkeys((name for name in ALL if name not in given.without), sys.executable)
    missing = dict.fromkeys(given.without, "left out")
    sources: dict[str, list[str]] = {}
    if "black_box" in pythons:
        python, reason = await asyncio.to_thread(black_box_python)
        if python is None:
            missing["black_box"] = reason
        else:
            pythons["black_box"] = python
    if "today" in pythons:
        sources["today"], reason = builds.sources(builds.TODAY, folder)
        if not sources["today"]:
            missing["today"] = reason
    pythons = {name: python for name, python in pythons.items() if name not in missing}
    return Lab(address, pythons, folder, Sizes(rounds=given.rounds), say, sources), missing


def log(console: Console, line: str) -> None:
    """Print a line about what was done."""
    console.print(line, style="dim", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    asyncio.run(main())
