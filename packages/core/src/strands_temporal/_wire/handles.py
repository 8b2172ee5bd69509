"""Operations on named objects that do I/O on the worker: the storages and the memory stores."""

from dataclasses import dataclass
from typing import Any

HANDLE_VERSION = 1
"""Version of the layout of `HandleCall` and of its results. It increases when a field changes its meaning."""


@dataclass(frozen=True)
class HandleCall:
    """One operation on a named object on the worker: the argument of its activity.

    Attributes:
        name: The object's name in the plugin, for example in `StrandsPlugin(storages=...)`.
        arguments: The operation's arguments, encoded; None if the workflow holds them.
        held: The number and the digest with which the worker asks the workflow for arguments that are too
            large to send, else None.
        version: Layout of this value.
    """

    name: str
    arguments: dict[str, Any] | None = None
    held: list[Any] | None = None
    version: int = HANDLE_VERSION
