"""The table of all decoders."""

from collections.abc import Sequence

from .cli_rows import cli_rows
from .core_rows import core_rows
from .hitl_rows import hitl_rows
from .mcp_rows import mcp_rows
from .row import Row
from .streaming_rows import streaming_rows


def rows() -> Sequence[Row]:
    """Return a row for each decoder of the packages."""
    return [*core_rows(), *streaming_rows(), *hitl_rows(), *mcp_rows(), *cli_rows()]
