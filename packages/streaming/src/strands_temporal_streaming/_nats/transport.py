"""`NATSTransport`: what streams goes to JetStream, one message for each item."""

import importlib.util
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client

from .._run_ends import RunEnd
from .._transport import PieceReader, StreamOutlet
from .connection import Connections, shown
from .outlet import NATSOutlet, send_run_end
from .reader import NATSReader
from .stream import MAX_AGE, MAX_BYTES, StreamSettings


class NATSTransport:
    """Carries the pieces of models' output over NATS JetStream. The workflow's own events stay in its log.

    Streaming then costs no event of history. Each workflow has a subject, and each namespace a stream, which
    the first worker or reader makes if it is not there. While NATS is away the agents go on; a piece that
    does not get through is told by `OutputLost`.

    Args:
        servers: Address of a server, or several of a cluster: `nats://host:4222`.
        max_age: How long the stream keeps a message. A reader that is further behind gets a `StreamGap`.
        max_bytes: Size of a namespace's stream from which it drops the oldest messages.
        replicas: Copies of the stream in a cluster.
        memory: Keep the stream in the server's memory and not in files.
        options: More arguments of `nats.connect`: `user_credentials`, `tls`, `token`.

    Raises:
        ImportError: nats-py is not installed.
        ValueError: An argument cannot be.
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        *,
        max_age: timedelta = timedelta(seconds=MAX_AGE),
        max_bytes: int = MAX_BYTES,
        replicas: int = 1,
        memory: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if importlib.util.find_spec("nats") is None:
            raise ImportError(
                "NATSTransport needs nats-py. Install it: pip install 'strands-temporal-streaming[nats]'"
            )
        addresses = [servers] if isinstance(servers, str) else list(servers)
        if not addresses or not all(isinstance(one, str) and one for one in addresses):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"NATSTransport: servers={servers!r} names no server. Write 'nats://localhost:4222'"
            )
        if max_age <= timedelta():
            raise ValueError(f"NATSTransport: max_age={max_age!r} is not above zero")
        if max_bytes < 1 or replicas < 1:
            raise ValueError(
                f"NATSTransport: max_bytes={max_bytes!r} and replicas={replicas!r} must be 1 or more"
            )
        self.servers: tuple[str, ...] = tuple(addresses)
        settings = StreamSettings(max_age.total_seconds(), max_bytes, replicas, memory)
        self._connections = Connections(self.servers, dict(options or {}), settings)

    def outlet(
        self, client: Client, info: activity.Info, interval: timedelta, latency: timedelta | None
    ) -> StreamOutlet:
        """See `StreamTransport`."""
        return NATSOutlet(self._connections.here(), client, info, latency)

    def reader(self, client: Client, workflow_id: str) -> PieceReader | None:
        """See `StreamTransport`."""
        return NATSReader(self._connections.here(), client, workflow_id)

    async def tell_end(self, client: Client, workflow_id: str, end: RunEnd) -> None:
        """Send the end of a run, for readers who would query the workflow otherwise."""
        await send_run_end(self._connections.here(), client, workflow_id, end)

    async def close(self) -> None:
        """Close the connection of this event loop. It opens again when it is needed."""
        await self._connections.here().close()

    def __repr__(self) -> str:
        return f"NATSTransport({shown(self.servers)!r})"
