"""What a worker tells when a run of a workflow ends, so that readers need not ask for it.

Temporal's SDK drops a workflow from its cache when it ends. A query for what its last task wrote then replays
the whole run. So the worker sends the end of the stream over the transport, before it reports the task. The
server may still refuse the task, or the worker may die: another attempt then writes other events. So a reader
believes this only if the run's history says that this very task closed the run.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol, cast, runtime_checkable

from temporalio.client import Client

CLOSED_BY_TASK = frozenset({"COMPLETED", "FAILED", "CANCELED"})
"""Names of the statuses that a workflow task gives a run. All others come from the server or an operator."""

MOST_ITEMS = 256
MOST_BYTES = 64 * 1024
"""Of the items in one `RunEnd`, in base64. A reader that is further behind queries the workflow."""


@dataclass(frozen=True)
class RunEnd:
    """The end of a run's stream.

    Attributes:
        run_id: The run.
        task: Event id of the start of its last workflow task.
        task_at: When that task started: nanoseconds since 1970, by the Temporal server's clock.
        start: Offset of the first item here.
        stop: Offset after the last one. The stream has no more.
        is_whole: Whether the stream keeps nothing before `start`.
        items: Offset, topic and payload (base64) of each item.
    """

    run_id: str = ""
    task: int = 0
    task_at: int = 0
    start: int = 0
    stop: int = 0
    is_whole: bool = False
    items: tuple[tuple[int, str, str], ...] = ()

    def has(self, offset: int) -> bool:
        """Tell whether it has all that a reader at `offset` of the log has not read."""
        return offset <= self.stop and (self.is_whole or offset >= self.start)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def run_end_from(value: object) -> RunEnd | None:
    """Return what `to_json` returned; None for something else. Fields of a later release are skipped."""
    if not isinstance(value, Mapping):
        return None
    given = cast("Mapping[str, Any]", value)
    try:
        return RunEnd(
            str(given["run_id"]),
            int(given["task"]),
            int(given["task_at"]),
            int(given["start"]),
            int(given["stop"]),
            given["is_whole"] is True,
            tuple((int(offset), str(topic), str(data)) for offset, topic, data in given["items"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


AskRunEnd = Callable[[str], Awaitable[RunEnd | None]]
"""Returns what a transport has of a run's end, by the run's id; None if it has nothing or does not answer."""


@runtime_checkable
class RunEndTransport(Protocol):
    """A transport that carries the ends of runs too."""

    async def tell_end(self, client: Client, workflow_id: str, end: RunEnd) -> None:
        """Send the end of a run. The last one that is sent for a run counts.

        Raises:
            Exception: It was not sent.
        """
        ...


@runtime_checkable
class RunEndReader(Protocol):
    """Reads the ends of a workflow's runs."""

    async def run_end(self, run_id: str) -> RunEnd | None:
        """See `AskRunEnd`."""
        ...
