"""Loads a sibling's plugin by its entry point when a user's call needs it.

Core imports no sibling. A user may register only `StrandsPlugin` and still write `mcp_clients=` or
`streaming_topic=`. Core then loads the sibling's plugin by the entry point that the sibling declares.
"""

from importlib.metadata import entry_points
from typing import Any

from .._errors import MissingExtraError

GROUP = "strands_temporal.plugins"
"""Entry point group in which each sibling declares its plugin class, under the name of its extra."""


def load_extra(extra: str, asked: str) -> Any:
    """Return the plugin class of a sibling.

    Args:
        extra: The extra, "mcp".
        asked: The user's code that needs it, for the message: "StrandsPlugin(mcp_clients=...)".

    Raises:
        MissingExtraError: If the package is not installed; it names the extra.
    """
    for entry_point in entry_points(group=GROUP, name=extra):
        return entry_point.load()
    raise MissingExtraError(
        f"{asked} needs the package strands-temporal-{extra}, which is not installed. "
        f'Install it: pip install "strands-temporal[{extra}]"'
    )
