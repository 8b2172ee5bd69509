"""One connection to NATS for each event loop, with the stream that everything goes to."""

import asyncio
import base64
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from nats.aio.client import Client as NATSClient
    from nats.js import JetStreamContext

RETRY_SECONDS = 0.25
TIMEOUT = 2.0
"""Seconds for one request."""


class AwayError(Exception):
    """NATS does not answer."""


def token(text: str) -> str:
    """Return `text` as one token of a subject: without dots, spaces and wildcards."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def names(namespace: str, workflow_id: str) -> tuple[str, str, str]:
    """Return the stream, its subjects and the workflow's subject."""
    prefix = f"strands-temporal.{token(namespace)}"
    return f"strands-temporal-{token(namespace)}", f"{prefix}.>", f"{prefix}.{token(workflow_id)}"


@dataclass(frozen=True)
class StreamSettings:
    """The JetStream stream of a namespace, for the first one who needs it.

    Attributes:
        max_age: Seconds after which a message is dropped.
        max_bytes: Size from which the oldest messages are dropped.
        replicas: Copies in a cluster.
        memory: Whether it is kept in memory.
    """

    max_age: float
    max_bytes: int
    replicas: int
    memory: bool


@dataclass
class Connection:
    """A connection to NATS, which reconnects for ever.

    Attributes:
        epoch: Number of times that it was established.
    """

    servers: Sequence[str]
    options: Mapping[str, Any]
    settings: StreamSettings
    epoch: int = 0
    _client: "NATSClient | None" = None
    _began: float | None = None
    _opening: "asyncio.Task[NATSClient] | None" = None
    _streams: set[str] = field(default_factory=set[str])

    @property
    def is_up(self) -> bool:
        """Whether NATS can be reached now, as far as known."""
        return self._client is not None and self._client.is_connected

    @property
    def is_new(self) -> bool:
        """Whether it is being established for the first time, for a few seconds at most."""
        return self.epoch == 0 and (self._began is None or time.monotonic() - self._began < 2 * TIMEOUT)

    async def jetstream(self, stream: str, subjects: str) -> "JetStreamContext":
        """Return JetStream, after the stream is there.

        Raises:
            AwayError: NATS does not answer.
        """
        client = await self._connected()
        context = client.jetstream(timeout=TIMEOUT)
        if stream not in self._streams:
            await self._make(context, stream, subjects)
            self._streams.add(stream)
        return context

    def forget_streams(self) -> None:
        """Look again whether the streams are there: an operator may have removed one."""
        self._streams.clear()

    async def close(self) -> None:
        """Close the connection."""
        if self._opening is not None:
            self._opening.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._opening
        if self._client is not None:
            await self._client.close()
        self._client = self._opening = None

    async def _connected(self) -> "NATSClient":
        if self._client is None:
            self._began = self._began or time.monotonic()
            if self._opening is None or self._opening.done():
                self._opening = asyncio.ensure_future(self._open())
            done, _ = await asyncio.wait([self._opening], timeout=TIMEOUT)
            if not done:
                raise AwayError(f"no NATS server of {list(self.servers)} answers")
            self._client = self._opening.result()
        if not self._client.is_connected:
            raise AwayError(f"the connection to NATS ({list(self.servers)}) is down")
        return self._client

    async def _open(self) -> "NATSClient":
        import nats

        async def reconnected() -> None:
            self.epoch += 1
            self._streams.clear()

        async def ignore(_: Exception) -> None:
            """NATS is away: whoever needs it gets an `AwayError`."""

        options: dict[str, Any] = {
            "servers": list(self.servers),
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": RETRY_SECONDS,
            "connect_timeout": TIMEOUT,
            "ping_interval": 10,
            "name": "strands-temporal",
            "reconnected_cb": reconnected,
            "error_cb": ignore,
        }
        client = await nats.connect(**{**options, **self.options})
        self.epoch += 1
        return client

    async def _make(self, context: "JetStreamContext", stream: str, subjects: str) -> None:
        from nats.js.api import DiscardPolicy, StorageType, StreamConfig
        from nats.js.errors import BadRequestError, NotFoundError

        with contextlib.suppress(NotFoundError):
            await context.stream_info(stream)
            return
        with contextlib.suppress(BadRequestError):  # another process makes it at this moment
            await context.add_stream(
                StreamConfig(
                    name=stream,
                    description="What durable Strands agents stream",
                    subjects=[subjects],
                    max_age=self.settings.max_age,
                    max_bytes=self.settings.max_bytes,
                    discard=DiscardPolicy.OLD,
                    num_replicas=self.settings.replicas,
                    storage=StorageType.MEMORY if self.settings.memory else StorageType.FILE,
                    allow_direct=True,
                )
            )
        await context.stream_info(stream)


class Connections:
    """The connections of a transport: one for each event loop."""

    def __init__(self, servers: Sequence[str], options: Mapping[str, Any], settings: StreamSettings) -> None:
        self._given = (servers, options, settings)
        self._of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Connection] = WeakKeyDictionary()

    def here(self) -> Connection:
        """Return the connection of the running loop. It opens at its first use."""
        loop = asyncio.get_running_loop()
        if loop not in self._of_loop:
            self._of_loop[loop] = Connection(*self._given)
        return self._of_loop[loop]
