"""How the pieces of a model's output travel from a worker to the readers.

`WorkflowStreamTransport` is the default: the workflow's own log, with the newest characters in heartbeats.
`strands_temporal_streaming.nats` has another one. The events of the workflow itself are in its log with
each transport.
"""

import dataclasses
import os
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Protocol, runtime_checkable

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.workflow_streams import WorkflowStreamClient
from temporalio.service import RPCError, RPCStatusCode

from ._control import CALL_METADATA
from ._tails import Tail, TailTeller

LATENCY = timedelta(milliseconds=100)
"""Default of `latency`: how soon a reader of `AgentStream` gets what the model writes, in the median."""

FINISH_PATIENCE = timedelta(seconds=10)
"""How long a complete answer waits until the server has accepted the rest of its stream."""

SHORTEST_LATENCY = timedelta(milliseconds=10)

NATS_VARIABLE = "STRANDS_TEMPORAL_NATS"
"""Environment variable with the NATS server for workers and readers that were given no transport.
`strands-temporal dev --nats` sets it."""

BATCHES_PER_LATENCY = 2.5
"""While the pace is left to this package, the log gets a batch after this many default intervals."""

_TAIL = LATENCY
"""Time between two tails. On Temporal Cloud each is an action, so it is as long as the latency allows."""

_UNREAD_BATCHES = 4
"""While nobody has read the last batch, the next one waits for this many intervals."""

# A retry would get the same error: the workflow is closed, or the server's limit of signals is reached.
FATAL_STATUSES = frozenset(
    {
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


def connect_to_stream(client: Client, info: activity.Info) -> WorkflowStreamClient:
    """Return a client of the stream of the workflow whose activity this is."""
    # Pinned to the run: a late attempt must not publish to the next run of the same workflow id.
    handle = client.get_workflow_handle(info.workflow_id or "", run_id=info.workflow_run_id)
    return WorkflowStreamClient(handle, client=client)


class RefusedError(Exception):
    """The stream takes nothing more. A retry would not help."""


class StreamOutlet(Protocol):
    """Sends the output of one attempt. A worker's transport opens one for each attempt."""

    @property
    def interval(self) -> float:
        """Seconds between two batches."""
        ...

    @property
    def unread_interval(self) -> float:
        """Seconds between two batches while nobody has read the last one, as far as this process knows."""
        ...

    @property
    def every(self) -> float | None:
        """Seconds between two tails; None for no tails."""
        ...

    @property
    def is_cheap(self) -> bool:
        """Whether a batch costs so little that the start of a call is sent before its first content."""
        ...

    @property
    def patience(self) -> float:
        """Seconds at most that a complete answer waits for the rest of its stream."""
        ...

    async def send(self, batch: Sequence[tuple[str, Payload]]) -> None:
        """Send the items of a batch, each with its topic. Called with the same batch until it is accepted.

        Raises:
            RefusedError: A retry would not help.
            Exception: A retry may help.
        """
        ...

    async def tell(self, tail: Tail) -> None:
        """Show what the next batch will begin with. It may get lost.

        Raises:
            Exception: It was not accepted.
        """
        ...

    async def lost(self, note: tuple[str, Payload]) -> None:
        """Tell by another way, if there is one, that items were lost. `note` is an item that says so.

        Raises:
            Exception: It was not accepted.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Piece:
    """An item that did not come from the workflow's log.

    Attributes:
        seq: Its sequence number in the transport.
        topic: Topic of the item.
        payload: What was published.
    """

    seq: int
    topic: str
    payload: Payload

    @property
    def call(self) -> str:
        """Identity of the call that it is of."""
        return self.payload.metadata.get(CALL_METADATA, b"").partition(b"/")[0].decode()


@dataclasses.dataclass(frozen=True)
class PieceGap:
    """The transport no longer has the items from `start` to before `stop`."""

    start: int
    stop: int


class PieceReader(Protocol):
    """Reads what a transport carries beside the workflow's log. Ends when it is closed."""

    def pieces(self, from_seq: int) -> AsyncIterator[Piece | PieceGap]:
        """Yield the items from a sequence number on, and wait for more."""
        ...

    async def last_seq(self) -> int | None:
        """Return the last sequence number of the workflow; None if the transport does not answer."""
        ...

    async def seq_at(self, time: datetime) -> int | None:
        """Return the sequence number of the first item since `time`; None if there is no answer."""
        ...


@runtime_checkable
class StreamTransport(Protocol):
    """Carries what streams while the model writes, from workers to readers."""

    def outlet(
        self, client: Client, info: activity.Info, interval: timedelta, latency: timedelta | None
    ) -> StreamOutlet:
        """Return what sends the output of one attempt.

        Args:
            client: The worker's client.
            info: The activity.
            interval: `streaming_batch_interval` of the agent.
            latency: `latency` of the plugin.
        """
        ...

    def reader(self, client: Client, workflow_id: str) -> PieceReader | None:
        """Return a reader of what is not in the workflow's log; None if everything is there."""
        ...


def check_transport(owner: str, transport: object) -> None:
    """Check the argument `transport`.

    Raises:
        TypeError: It is no transport.
    """
    if transport is not None and (isinstance(transport, type) or not isinstance(transport, StreamTransport)):
        raise TypeError(
            f"{owner}: transport={transport!r} is no transport. Known: WorkflowStreamTransport(), and "
            "NATSTransport(servers=...) of strands_temporal_streaming.nats"
        )


def default_transport() -> StreamTransport:
    """Return the transport for those who were given none: NATS if the environment names a server."""
    servers = os.environ.get(NATS_VARIABLE)
    return _nats(servers) if servers else WorkflowStreamTransport()


@cache  # all readers of a process share its connection
def _nats(servers: str) -> StreamTransport:
    from .nats import NATSTransport

    return NATSTransport(servers.split(","))


class WorkflowStreamTransport:
    """Carries everything in the workflow's own log. It needs nothing besides Temporal."""

    def outlet(
        self, client: Client, info: activity.Info, interval: timedelta, latency: timedelta | None
    ) -> StreamOutlet:
        """See `StreamTransport`."""
        return _LogOutlet(client, info, interval, latency)

    def reader(self, client: Client, workflow_id: str) -> PieceReader | None:
        """See `StreamTransport`."""
        return None


class _LogOutlet:
    is_cheap = False
    patience = FINISH_PATIENCE.total_seconds()

    def __init__(
        self, client: Client, info: activity.Info, interval: timedelta, latency: timedelta | None
    ) -> None:
        self._stream = connect_to_stream(client, info)
        self._teller = TailTeller(client, info)
        self._unsent: Sequence[tuple[str, Payload]] | None = None
        self.every: float | None = (_TAIL if latency is None else latency / 2).total_seconds()
        self.interval = interval.total_seconds()
        if latency is not None or interval == LATENCY:  # nobody chose another interval
            self.interval = max(LATENCY.total_seconds(), self.every) * BATCHES_PER_LATENCY
        self.unread_interval = _UNREAD_BATCHES * self.interval
        if self.interval < 2 * self.every:
            self.every = None  # the batches come as soon

    async def send(self, batch: Sequence[tuple[str, Payload]]) -> None:
        if self._unsent is not batch:
            self._unsent = batch
            for topic, payload in batch:
                self._stream.topic(topic).publish(payload)
        try:
            # Sends a batch under the same number until it is accepted, so the workflow counts it once.
            await self._stream.flush()
        except RPCError as error:
            if error.status in FATAL_STATUSES:
                raise RefusedError from error
            raise
        except Exception as error:
            raise RefusedError from error

    async def tell(self, tail: Tail) -> None:
        try:
            await self._teller.tell(tail)
        except RPCError as error:
            if error.status in FATAL_STATUSES:
                self.every = None

    async def lost(self, note: tuple[str, Payload]) -> None:
        """Do nothing: what the log refuses cannot be told."""
