"""The activity by which a worker tells about itself, for `strands-temporal doctor`."""

from dataclasses import dataclass, field
from typing import Any

from .reading import read_as
from .values import set_fields

REPORT_ACTIVITY = "report_strands_worker"
"""Activity type. A workflow never starts it: the command starts it as a standalone activity."""


@dataclass(frozen=True)
class WorkerReport:
    """What a worker tells about itself.

    Attributes:
        echo: The value that it was given, as its converter decoded it.
        identity: Identity of the worker's client.
        process: Its process id.
        python: Version of Python.
        packages: Versions of the packages that matter, by name.
        models: Names of its models.
        plugins: Names of the plugins of its client, which its worker has too.
        version: Layout of this value.
    """

    echo: Any = None
    identity: str = ""
    process: int = 0
    python: str = ""
    packages: dict[str, str] = field(default_factory=dict[str, str])
    models: list[str] = field(default_factory=list[str])
    plugins: list[str] = field(default_factory=list[str])
    version: int = 1

    def to_wire(self) -> dict[str, Any]:
        """Return the dict to send."""
        return set_fields(self)

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "WorkerReport":
        """Return the report that was sent as `wire`."""
        return read_as(cls, wire)
