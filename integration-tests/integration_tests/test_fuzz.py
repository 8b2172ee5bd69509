"""Damaged values of released versions, and values that nobody wrote: decoders give typed errors only."""

import pytest

from integration_tests.fuzz.row import Row
from integration_tests.fuzz.table import rows

EXAMPLES = 8
"""Damaged values for each decoder. `make fuzz` tries as many as there is time for."""


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_a_damaged_value_is_a_typed_error(row: Row) -> None:
    row.run(EXAMPLES)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_what_was_recorded_is_read(row: Row) -> None:
    """Else the damages would be damages of nothing."""
    for seed in row.good:
        row.decode(seed)


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row.name for row in rows()]
    assert len(names) == len(set(names)) > 80
