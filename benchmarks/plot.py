"""results.svg: the ratios to the floor, and CPU over a conversation.

It is narrow, so that its text is readable on a phone, and follows the reader's light or dark scheme.
"""

import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.drawings import Drawing

from benchmarks.row import Row, Rows
from benchmarks.rows import STEP

NAMES = {
    "ours": "strands-temporal",
    "black_box": "temporalio-strands-agents 0.1.0",
    "floor": "the floor",
    "strands": "plain Strands",
}
BASES = {"floor": "", "limit": " (to the limit)"}
"""What the ratios in the picture refer to, and what the label of such a row ends with."""
KINDS = {"ours": "ours", "black_box": "other", "floor": "floor", "strands": "limit"}

_WIDTH, _LEFT, _RIGHT = 420, 16, 370  # pixels: of the picture, and where the axes begin and end
_LETTERS = 50  # in a line of text
_LINE, _BAR, _GAP = 18, 18, 16
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_PANEL = 220  # height of the plot of CPU


def plot(file: Path, rows: Rows) -> None:
    """Draw what was measured."""
    ratios = [row for row in rows if row.ratio("ours") and row.of in BASES]
    lines = [line for row in rows for line in _lines(row)]
    bars = sum(_height(row) for row in ratios)
    drawing = Drawing(
        _WIDTH,
        150 + bars + (_PANEL + 110 + _LINE * len(lines) if lines else 0),
        "Ratios to the floor, and CPU over a conversation",
        "; ".join(f"{row.measure}: {row.ratio('ours'):.2f} times the {row.of}" for row in ratios),
        shown_at=_WIDTH,
    )
    _ratios(drawing, ratios, bars)
    if lines:
        _series(drawing, lines, 150 + bars)
    file.write_text(drawing.svg())


# --- Ratios -----------------------------------------------------------------------------------------------


def _labels(row: Row) -> list[str]:
    return textwrap.wrap(f"{row.measure}{BASES[row.of]}", _LETTERS)


def _height(row: Row) -> int:
    """Return the height of a row: its label, its two bars, and what keeps it from the next."""
    return _LINE * len(_labels(row)) + 2 * _BAR + _GAP


def _ratios(drawing: Drawing, rows: Rows, height: int) -> None:
    most = max((ratio for row in rows for name in NAMES if (ratio := row.ratio(name))), default=1.0)
    scale = _Log(most)
    drawing.text(_LEFT, 30, "Times the floor", kind="title")
    drawing.text(_RIGHT + 34, 30, "logarithmic", kind="faint", anchor="end")
    for at, name in enumerate(("ours", "black_box")):
        drawing.box(_LEFT, 44 + 20 * at, 12, 12, KINDS[name], rounding=2)
        drawing.text(_LEFT + 20, 55 + 20 * at, NAMES[name], kind="faint")
    drawing.line([(_LEFT + 6, 83), (_LEFT + 6, 97)], "limit series")
    drawing.text(_LEFT + 20, 95, "the goal: at most this much", kind="faint")
    top, bottom = 112, 118 + height
    for tick in scale.ticks:
        kind = "floor" if tick == 1 else "grid"
        drawing.line([(scale.x(tick), top), (scale.x(tick), bottom)], kind)
        drawing.text(scale.x(tick), bottom + 18, f"{tick}", kind="faint", anchor="middle")
    y = top + _GAP
    for row in rows:
        _ratio(drawing, scale, row, y)
        y += _height(row)


def _ratio(drawing: Drawing, scale: "_Log", row: Row, y: float) -> None:
    for line in _labels(row):
        drawing.text(scale.x(1) + 5, y, line, kind="faint over")
        y += _LINE
    # The number of the first bar stands clear of the goal's mark.
    clear = 0.0 if row.reach is None else scale.x(row.reach) + 4
    for at, name in enumerate(("ours", "black_box")):
        ratio, figure, middle = row.ratio(name), row.figures.get(name), y + _BAR * at
        if ratio:
            end = scale.x(ratio)
            drawing.box(scale.x(1), middle - 6, end - scale.x(1), 12, KINDS[name], rounding=0)
            drawing.text(max(end + 5, clear if at == 0 else 0), middle + 5, f"{ratio:.2f}", kind="faint over")
        elif isinstance(figure, str):
            drawing.text(scale.x(1) + 5, middle + 5, figure.partition(":")[0], kind="faint bad over")
    if row.reach is not None:
        x = scale.x(row.reach)
        drawing.line([(x, y - 9), (x, y + 9)], "limit series")


@dataclass(frozen=True)
class _Log:
    """A logarithmic axis from a little below 1 to a little above `most`."""

    most: float

    @property
    def ticks(self) -> list[int]:
        """The numbers to show."""
        return [tick for tick in _TICKS if tick <= self.most * 1.2]

    def x(self, value: float) -> float:
        """Return where a value stands, in pixels. Values below the axis stand at its beginning."""
        least, most = math.log(0.9), math.log(max(self.most, 2))
        part = (math.log(max(value, 0.9)) - least) / (most - least)
        return round(_LEFT + part * (_RIGHT - _LEFT), 1)


# --- CPU over a conversation ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    name: str
    kind: str
    values: list[float]


def _lines(row: Row) -> Iterator[_Line]:
    """Yield the lines of a row. The floor has no window, so it is one line."""
    no_window = "no window" in row.measure
    for subject, values in row.series.items():
        if subject not in NAMES:
            continue
        if subject != "floor":
            kind = f"{KINDS[subject]} series {'' if no_window else 'dashed'}".strip()
            yield _Line(f"{NAMES[subject]}, {row.measure.rpartition(', ')[2]}", kind, values)
        elif no_window:
            yield _Line(NAMES[subject], f"{KINDS[subject]} series", values)


def _series(drawing: Drawing, lines: list[_Line], top: int) -> None:
    drawing.text(_LEFT, top + 40, "In-workflow CPU per turn, ms", kind="title")
    end = top + 60 + _PANEL
    left, right = _LEFT + 24, _RIGHT + 34
    turns = STEP * max(len(line.values) for line in lines)
    most = max(value for line in lines for value in line.values)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1000) if most / step <= 6)
    highest = step * math.ceil(most / step)
    for tick in range(0, highest + 1, step):
        y = end - tick / highest * _PANEL
        drawing.line([(left, y), (right, y)], "grid")
        drawing.text(left - 6, y + 5, f"{tick}", kind="faint", anchor="end")
    for turn in range(turns // 4, turns + 1, turns // 4):
        anchor = "end" if turn == turns else "middle"
        drawing.text(left + turn / turns * (right - left), end + 18, f"{turn}", kind="faint", anchor=anchor)
    drawing.text(left, end + 18, "turn", kind="faint")
    for at, line in enumerate(lines):
        drawing.line(
            [
                (
                    left + STEP * (number + 1) / turns * (right - left),
                    end - value / highest * _PANEL,
                )
                for number, value in enumerate(line.values)
            ],
            line.kind,
        )
        y = end + 42 + _LINE * at
        drawing.line([(_LEFT, y - 4), (_LEFT + 26, y - 4)], line.kind)
        drawing.text(_LEFT + 34, y, line.name, kind="faint")
