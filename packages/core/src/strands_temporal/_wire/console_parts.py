"""What the browser console and a package with pages of its own say to each other.

A package declares a function in the entry point group `strands_temporal.console_parts`. The console calls it
with its client and serves the app that it returns below the entry point's name, as long as the console is for
this machine alone.
"""

from dataclasses import dataclass
from typing import Any

CONSOLE_PARTS = "strands_temporal.console_parts"
"""Entry point group of the parts."""


@dataclass(frozen=True)
class ConsolePart:
    """Pages beside the console's.

    Attributes:
        title: Text of the link to them.
        app: An ASGI app. It checks by itself that requests come from this machine.
    """

    title: str
    app: Any
