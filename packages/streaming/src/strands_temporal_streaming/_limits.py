"""Bounds a workflow's stream: the oldest items go when there are too many of them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from temporalio import workflow
from temporalio.contrib.workflow_streams import PollInput, PollResult, PublishInput, WorkflowStream

from ._control import is_control_topic

PUBLISH_SIGNAL = "__temporal_workflow_stream_publish"
"""The signal by which a workflow's stream is known (temporalio 1.35)."""

POLL_QUERY = "__temporal_workflow_stream_poll"
OFFSET_QUERY = "__temporal_workflow_stream_offset"
"""Queries that a `WorkflowStream` registers: a page of it, and the offset behind its last item."""

NEWEST_OF_TURN = 1000
"""Events of the running turn that stay even if there are more than `StreamLimit.events`."""


@dataclass(frozen=True)
class StreamLimit:
    """How much of its stream a workflow keeps for readers. The oldest items go first.

    The newest 1,000 events of the running turn stay, unless they have more than `bytes`.

    Attributes:
        events: Most items.
        bytes: Most bytes of their payloads. The newest item stays, however large it is.
    """

    events: int = 10_000
    bytes: int = 1024 * 1024


class BoundedLog:
    """The log of a workflow's stream, with a limit.

    It uses the handlers that `WorkflowStream` registers and documents. It counts each item once, when it
    comes.

    Args:
        stream: The stream.
        limit: How much to keep; None keeps everything.
        follows: Whether to look at each batch that comes.

    Attributes:
        turn_start: Offset at which the running turn began.
        publishers: Ids of the publishers of activities of this run. An activity publishes to the run that
            scheduled it, and to no other, so the next run need not know them.
    """

    def __init__(self, stream: WorkflowStream, limit: StreamLimit | None, *, follows: bool = True) -> None:
        self._stream = stream
        self._limit = limit
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._counted = 0  # offset of the first item that is not counted
        self.turn_start = 0
        self.publishers: set[str] = set()
        self._receive: Callable[[PublishInput], Any] = cast(
            "Any", workflow.get_signal_handler(PUBLISH_SIGNAL)
        )
        self._poll: Callable[[PollInput], PollResult] = cast("Any", workflow.get_query_handler(POLL_QUERY))
        self._stop: Callable[[], int] = cast("Any", workflow.get_query_handler(OFFSET_QUERY))
        if follows:
            workflow.set_signal_handler(PUBLISH_SIGNAL, self._received)

    @property
    def stop(self) -> int:
        """Offset after the last item."""
        return self._stop()

    def items(self, start: int) -> Any:
        """Yield the items from `start` on that the log still has, as they are sent to readers."""
        while True:
            page = self._poll(PollInput(from_offset=start))
            yield from page.items
            if not page.more_ready:
                return
            start = page.next_offset

    def trim(self) -> None:
        """Count the new items, and drop the oldest ones that are too many."""
        limit = self._limit
        if limit is None:
            return
        for item in self.items(self._counted) if self._counted < self.stop else ():
            self._sizes.append(len(item.data) * 3 // 4)  # base64
            self._bytes += self._sizes[-1]
        stop = self._counted = self.stop
        most = max(limit.events, min(NEWEST_OF_TURN, stop - self.turn_start))
        dropped = False
        while len(self._sizes) > most or (self._bytes > limit.bytes and len(self._sizes) > 1):
            self._bytes -= self._sizes.popleft()
            dropped = True
        if dropped:
            self._stream.truncate(stop - len(self._sizes))

    def _received(self, batch: PublishInput) -> None:
        """Handle the signal with a worker's batch."""
        if batch.items and is_control_topic(batch.items[0].topic):
            self.publishers.add(batch.publisher_id)
        self._receive(batch)
        self.trim()
