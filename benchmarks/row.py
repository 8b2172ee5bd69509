"""A row of the table."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

LIMIT = ("floor", "strands")
"""The subjects whose figures, added, are the limit: a durable agent costs at least both."""


@dataclass
class Row:
    """One measure of all subjects.

    Attributes:
        key: Name of the measure for `--only`.
        measure: What is measured.
        unit: Unit of the figures.
        reach: What `ours` is to reach: at most this many times the figure that `of` names, or this figure in
            `unit`. With None, `ours` only has to complete.
        of: What ratios and `reach` refer to: `floor`, `limit` (the floor and plain Strands, added), or
            `today` (an earlier build). Empty if `reach` is a figure in `unit`.
        figures: Figure of each subject, or a text that says why there is none.
        series: Figures of each subject over a conversation, for the plot.
        note: What is worth knowing besides; shown below the table.
    """

    key: str
    measure: str
    unit: str
    reach: float | None = None
    of: str = "floor"
    figures: "dict[str, float | str]" = field(default_factory=dict)
    series: "dict[str, list[float]]" = field(default_factory=dict)
    note: str = ""

    @property
    def base(self) -> float | None:
        """Return the figure that ratios refer to: that of `of`, and the floor's if `of` is empty."""
        parts = [self.figures.get(name) for name in (LIMIT if self.of == "limit" else [self.of or "floor"])]
        figures = [part for part in parts if isinstance(part, float)]
        return sum(figures) if len(figures) == len(parts) else None

    def ratio(self, subject: str) -> float | None:
        """Return a subject's figure as a multiple of `base`."""
        figure, base = self.figures.get(subject), self.base
        return figure / base if isinstance(figure, float) and base else None

    @property
    def reached(self) -> bool | None:
        """Tell whether `ours` is within reach or, without one, completes; None if not measured."""
        ours = self.figures.get("ours")
        if self.reach is None or isinstance(ours, str):
            return None if ours is None else isinstance(ours, float)
        figure = self.ratio("ours") if self.of else ours
        return None if figure is None else figure <= self.reach


Rows: TypeAlias = list[Row]


def figure(result: dict[str, Any], key: str, divisor: float) -> "float | str":
    """Return a figure of a result, or why there is none."""
    return failure(result) if "error" in result else result[key] / divisor


def median(results: Sequence[dict[str, Any]], get: Callable[[dict[str, Any]], float | None]) -> "float | str":
    """Return the median of the results' figures, or why there is none."""
    figures = [found for result in results if (found := get(result)) is not None]
    if figures:
        return statistics.median(figures)
    return next((failure(result) for result in results if "error" in result), "no figure")


def failure(result: dict[str, Any]) -> str:
    """Say where a conversation failed, and why."""
    where = f"fails at turn {result['turn']}" if "turn" in result else "fails"
    if result.get("call"):
        where += f", after call {result['call']}"
    return f"{where}: {result['error']}"
