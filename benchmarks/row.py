"""A row of the table."""

from dataclasses import dataclass, field
from typing import TypeAlias

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
    """

    key: str
    measure: str
    unit: str
    reach: float | None = None
    of: str = "floor"
    figures: "dict[str, float | str]" = field(default_factory=dict)
    series: "dict[str, list[float]]" = field(default_factory=dict)

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
