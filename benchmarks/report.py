"""Prints the table, and writes results.json, results.md and results.svg.

`python -m benchmarks.report` draws results.svg again, from results.json.
"""

import json
import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.plot import plot
from benchmarks.row import Row, Rows

FOLDER = Path(__file__).parent
SUBJECTS = {
    "black_box": "black box",
    "today": "today",
    "ours": "ours",
    "floor": "floor",
    "strands": "plain Strands",
    "bare_agent": "bare agent",
}
COLUMNS = ("measure", *SUBJECTS.values(), "ratio", "reach")


class Machine:
    """Where and when the measures ran. The load average shows how far to trust the timings."""

    def __init__(self) -> None:
        self.started = datetime.now(timezone.utc)
        self.load_before = os.getloadavg()[0]

    def facts(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return {
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round((datetime.now(timezone.utc) - self.started).total_seconds()),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cores": os.cpu_count(),
            "load": {"before": round(self.load_before, 2), "after": round(os.getloadavg()[0], 2)},
        }


def show(console: Console, rows: Rows, missing: dict[str, str]) -> None:
    """Print the table.

    Args:
        console: Where to print.
        rows: The measured rows.
        missing: Why subjects were not measured, by their names.
    """
    table = Table(title="strands-temporal, measured")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "measure" else "right")
    notes: list[str] = []
    styles = {True: "green", False: "bold red", None: ""}
    for row in rows:
        *cells, reach = _cells(row, notes)
        table.add_row(*cells, Text(reach, style=styles[row.reached]))
    console.print(table)
    for subject, reason in missing.items():
        console.print(f"Not measured: {SUBJECTS[subject]}: {reason}")
    for number, note in enumerate(notes, 1):
        console.print(f"({number}) {note}")


def _cells(row: Row, notes: list[str]) -> list[str]:
    """Return the cells of a row. A text that is too long for a cell is added to `notes`."""
    figures = [_cell(row, subject, notes) for subject in SUBJECTS]
    ratio = row.ratio("ours")
    shown = f"{ratio:.2f}" if ratio and row.unit != "x" else ""
    if row.reach is None:
        reach = "completes"
    else:
        reach = f"{row.reach:g} x {row.of}" if row.of else f"{row.reach:g} {row.unit}"
    measure = f"{row.measure}, {row.unit}"
    if row.note:
        notes.append(row.note)
        measure += f" ({len(notes)})"
    return [measure, *figures, shown, reach]


def _cell(row: Row, subject: str, notes: list[str]) -> str:
    figure = row.figures.get(subject)
    if figure is None:
        return ""
    if isinstance(figure, str):
        if figure not in notes:
            notes.append(figure)
        return f"{figure.partition(':')[0]} ({notes.index(figure) + 1})"
    ratio = row.ratio(subject) if subject == "black_box" and row.unit != "x" else None
    shown = f"{figure:.2f}" if row.unit == "x" else f"{figure:,.1f}"
    return shown + (f" ({ratio:.1f} x)" if ratio else "")


def write(folder: Path, rows: Rows, facts: dict[str, Any]) -> None:
    """Write results.json, results.md and results.svg."""
    found: list[dict[str, Any]] = []
    for row in rows:
        as_json: dict[str, Any] = {
            "key": row.key,
            "measure": row.measure,
            "unit": row.unit,
            "reach": row.reach,
            "of": row.of,
        }
        as_json |= {subject: _rounded(row.figures.get(subject)) for subject in SUBJECTS}
        ratios = {subject: row.ratio(subject) for subject in ("ours", "black_box")}
        as_json |= {f"{subject}_ratio": _rounded(ratio) for subject, ratio in ratios.items() if ratio}
        as_json["reached"] = row.reached
        if row.note:
            as_json["note"] = row.note
        if row.series:
            as_json["series"] = {name: [_rounded(value) for value in row.series[name]] for name in row.series}
        found.append(as_json)
    (folder / "results.json").write_text(json.dumps({**facts, "rows": found}, indent=1) + "\n")
    (folder / "results.md").write_text(_markdown(rows, facts))
    plot(folder / "results.svg", read(folder))  # as later from the file, which rounds


def read(folder: Path) -> Rows:
    """Return the rows in a folder's results.json."""
    written: list[dict[str, Any]] = json.loads((folder / "results.json").read_text())["rows"]
    return [
        Row(
            row["key"],
            row["measure"],
            row["unit"],
            row["reach"],
            row["of"],
            figures={name: row[name] for name in SUBJECTS if row.get(name) is not None},
            series=row.get("series", {}),
            note=row.get("note", ""),
        )
        for row in written
    ]


def _markdown(rows: Rows, facts: dict[str, Any]) -> str:
    notes: list[str] = []
    lines = [list(COLUMNS), ["---", *["---:"] * (len(COLUMNS) - 1)]]
    for row in rows:
        *cells, reach = _cells(row, notes)
        lines.append([*cells, reach if row.reached else f"**{reach}: not reached**"])
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    notes = [f"({number}) {note}\n" for number, note in enumerate(notes, 1)]
    head = f"# Results\n\nWritten by `make bench` on {facts['started'][:10]}, {facts['cores']} cores, "
    head += f"load {facts['load']['before']} to {facts['load']['after']}, Python {facts['python']}.\n"
    return "\n".join(
        [head, "![Ratios to the floor, and CPU over a conversation](results.svg)\n", table, "", *notes]
    )


def _rounded(figure: "float | str | None") -> "float | str | None":
    return round(figure, 3) if isinstance(figure, float) else figure


if __name__ == "__main__":
    plot(FOLDER / "results.svg", read(FOLDER))
