"""results.svg: the ratios to the floor, and CPU over a conversation."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.rows import Row, Rows

COLOURS = {"black_box": "#b0b0b0", "ours": "#2a6fbb", "floor": "#444444"}
NAMES = {"black_box": "temporalio-strands-agents 0.1.0", "ours": "strands-temporal", "floor": "floor"}


def plot(file: Path, rows: Rows) -> None:
    """Draw what was measured."""
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 8}
    with mpl.rc_context(settings):
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        _ratios(left, [row for row in rows if row.ratio("ours") and not row.absolute])
        _series(right, [row for row in rows if row.series])
        figure.savefig(file, metadata={"Date": None, "Creator": None})


def _ratios(axes: Any, rows: list[Row]) -> None:
    for place, row in enumerate(reversed(rows)):
        for offset, subject in ((0.2, "black_box"), (-0.2, "ours")):
            ratio, figure = row.ratio(subject), row.figures.get(subject)
            if ratio:
                axes.barh(place + offset, ratio, 0.38, color=COLOURS[subject])
                axes.text(ratio * 1.03, place + offset, f"{ratio:.2f}", va="center")
            elif isinstance(figure, str):
                axes.text(1.03, place + offset, figure.partition(":")[0], va="center", color="#a03030")
        if row.limit is not None:
            axes.plot([row.limit] * 2, [place - 0.45, place + 0.45], color="#2a9d4a", lw=1.5)
    axes.set_xscale("log")
    axes.set_xlim(0.9, 40)
    axes.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.set_yticks(range(len(rows)), [row.measure for row in reversed(rows)])
    axes.axvline(1, color=COLOURS["floor"], lw=1)
    axes.set_xlabel("times the floor; green: the goal")


def _series(axes: Any, rows: list[Row]) -> None:
    for row in rows:
        no_window = "no window" in row.measure
        for subject, values in row.series.items():
            if subject != "floor" or no_window:
                turns = [10 * (i + 1) for i in range(len(values))]
                name = NAMES[subject] + ("" if subject == "floor" else f", {row.measure.rpartition(', ')[2]}")
                axes.plot(turns, values, "-" if no_window else "--", color=COLOURS[subject], label=name)
    axes.set_xlabel("turn")
    axes.set_ylabel("in-workflow CPU per turn, ms")
    axes.set_ylim(bottom=0)
    axes.figure.legend(loc="outside lower right", ncols=2, frameon=False)
