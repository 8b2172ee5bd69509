"""`make bench`: compares strands-temporal with a floor and with another integration, in one run.

The floor is a plain Temporal workflow with the same model and tool calls. It writes the least history that
they need. The ratios in the table are multiples of the floor's figures.

python -m benchmarks [--only history,cpu] [--rounds 1] [--without-black-box]
"""

import argparse
import asyncio
import sys
import tempfile
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.black_box import black_box_python
from benchmarks.lab import Lab, Sizes
from benchmarks.row import Rows
from benchmarks.rows import ROWS
from strands_temporal.testing import DevServer


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", default=",".join(ROWS), help="the measures, separated by commas: %(default)s"
    )
    parser.add_argument("--rounds", type=int, default=Sizes.rounds, help="how often to repeat each timing")
    parser.add_argument("--without-black-box", action="store_true", help="measure only ours and the floor")
    given = parser.parse_args()
    given.only = given.only.split(",")
    unknown = sorted(set(given.only) - set(ROWS))
    if unknown:
        parser.error(f"unknown measures: {unknown}. Known: {list(ROWS)}")
    return given


async def main() -> None:
    """Measure and print the table. If everything was measured, write the files with the results."""
    given = arguments()
    console = Console()
    if not console.is_terminal:
        console.width = 150
    pythons = {"floor": sys.executable, "ours": sys.executable}
    reason = "left out"
    if not given.without_black_box:
        python, reason = await asyncio.to_thread(black_box_python)
        if python is not None:
            pythons["black_box"] = python
    rows: Rows = []
    machine = report.Machine()
    with tempfile.TemporaryDirectory() as folder:
        async with DevServer() as server:
            lab = Lab(
                server.address, pythons, Path(folder), Sizes(rounds=given.rounds), partial(log, console)
            )
            for key in given.only:
                rows += await ROWS[key](lab)
            versions = {name: await lab.versions(name) for name in pythons if name != "floor"}
    report.show(console, rows, "" if "black_box" in pythons else reason)
    if set(given.only) == set(ROWS) and "black_box" in pythons:
        report.write(Path(__file__).parent, rows, {**machine.facts(), "versions": versions})


def log(console: Console, line: str) -> None:
    """Print a line about what was done."""
    console.print(line, style="dim", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    asyncio.run(main())
