"""A row of the table."""

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass
class Row:
    """One measure of all subjects.

    Attributes:
        key: Name of the measure for `--only`.
        measure: What is measured.
        unit: Unit of the figures.
        limit: Upper limit for `ours`: a multiple of the figure of `floor`, or a figure in `unit` if
            `absolute`. With None, `ours` only has to complete.
        absolute: Whether `limit` is a figure in `unit`, not a multiple of the figure of `floor`.
        figures: Figure of each subject, or a text that says why there is none.
        series: Figures of each subject over a conversation, for the plot.
    """

    key: str
    measure: str
    unit: str
    limit: float | None = None
    absolute: bool = False
    figures: "dict[str, float | str]" = field(default_factory=dict)
    series: "dict[str, list[float]]" = field(default_factory=dict)

    def ratio(self, subject: str) -> float | None:
        """Return a subject's figure as a multiple of the figure of `floor`."""
        figure, floor = self.figures.get(subject), self.figures.get("floor")
        return figure / floor if isinstance(figure, float) and isinstance(floor, float) and floor else None

    @property
    def reached(self) -> bool | None:
        """Tell whether `ours` is within the limit or, without one, completes; None if not measured."""
        figure = self.figures.get("ours") if self.absolute or self.limit is None else self.ratio("ours")
        if self.limit is None or not isinstance(figure, float):
            return None if figure is None else isinstance(figure, float)
        return figure <= self.limit


Rows: TypeAlias = list[Row]
