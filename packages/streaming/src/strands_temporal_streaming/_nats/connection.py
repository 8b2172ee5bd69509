"""One connection to NATS for each event loop, with the stream that everything goes to."""

import asyncio
import base64
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from .stream import StreamSettings, prepare

if TYPE_CHECKING:
    from nats.aio.client import Client as NATSClient
    from nats.js import JetStreamContext

logger = logging.getLogger("strands_temporal_streaming.nats")

RETRY_SECONDS = 0.25
TIMEOUT = 2.0
"""Seconds for one request."""

PATIENCE = 10.0
"""Seconds from the begin of an outage in which a complete answer waits for NATS."""

_LEAST_PATIENCE = 0.5
_FIRST_PATIENCE = 3.0

_REFUSALS = ("violation", "authoriz", "authentic", "credential", "expired", "revoked")
"""Words in errors that are no outage."""


class AwayError(Exception):
    """NATS does not answer."""


def token(text: str) -> str:
    """Return `text` as one token of a subject: without dots, spaces and wildcards."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def names(namespace: str, workflow_id: str) -> tuple[str, str, str]:
    """Return the stream, its subjects and the workflow's subject."""
    prefix = f"strands-temporal.{token(namespace)}"
    return f"strands-temporal-{token(namespace)}", f"{prefix}.>", f"{prefix}.{token(workflow_id)}"


def end_subject(subject: str, run_id: str) -> str:
    """Return the subject for the end of a run, below its workflow's subject."""
    return f"{subject}.end.{token(run_id)}"


def shown(servers: Sequence[str]) -> list[str]:
    """Return the addresses without users and passwords."""
    return [one.replace(f"{user}@", "") if (user := _user(one)) else one for one in servers]


def _user(address: str) -> str:
    place = urlsplit(address if "://" in address else f"nats://{address}").netloc
    return place.rpartition("@")[0]


@dataclass
class Connection:
    """A connection to NATS, which reconnects for ever.

    Attributes:
        epoch: Number of times that it was established.
        listeners: Called when it is established again.
        shared: What the readers of this connection share.
        outlets: The attempts that send now.
    """

    servers: Sequence[str]
    options: Mapping[str, Any]
    settings: StreamSettings
    epoch: int = 0
    listeners: set[Callable[[], None]] = field(default_factory=set[Callable[[], None]])
    shared: WeakValueDictionary[Any, Any] = field(default_factory=WeakValueDictionary)
    outlets: "WeakSet[Any]" = field(default_factory=WeakSet)
    _client: "NATSClient | None" = None
    _began: float | None = None
    _down_since: float | None = None
    _opening: "asyncio.Task[NATSClient] | None" = None
    _streams: set[str] = field(default_factory=set[str])
    _told: set[str] = field(default_factory=set[str])
    _trouble: str = ""
    _up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_up(self) -> bool:
        """Whether NATS can be reached now, as far as known."""
        return self._client is not None and self._client.is_connected

    @property
    def patience(self) -> float:
        """Seconds that a complete answer waits for the rest of its stream.

        So an outage holds up answers for 10 seconds at most from its begin: a server that restarts is back by
        then. Then, and where NATS cannot be used as it is, it is half a second.
        """
        if self._trouble:
            return _LEAST_PATIENCE
        if self.is_up:
            return PATIENCE
        if self.epoch == 0:
            waited = 0.0 if self._began is None else time.monotonic() - self._began
            return max(_FIRST_PATIENCE - waited, _LEAST_PATIENCE)
        down = 0.0 if self._down_since is None else time.monotonic() - self._down_since
        return max(PATIENCE - down, _LEAST_PATIENCE)

    @property
    def max_payload(self) -> int:
        """Most bytes of a message, with its headers."""
        return 1024 * 1024 if self._client is None else self._client.max_payload

    def _grace(self, since: float | None) -> float:
        """Return the seconds to wait for the connection: less and less, so that an outage is no hold-up."""
        past = 0.0 if since is None else time.monotonic() - since
        return max(0.0, min(TIMEOUT, 2 * TIMEOUT - past))

    async def client(self) -> "NATSClient":
        """Return the client of nats-py.

        Raises:
            AwayError: NATS does not answer.
        """
        if self._client is not None and self._client.is_closed:  # the user's options let it give up
            self._client, self._opening = None, None
            self._up.clear()
        if self._client is None:
            self._began = self._began or time.monotonic()
            if self._opening is None:
                self._opening = asyncio.ensure_future(self._open())
            opening = self._opening
            await asyncio.wait([opening], timeout=self._grace(self._began))
            if not opening.done():
                self._warn(f"no NATS server of {shown(self.servers)} answers")
                raise AwayError(f"no NATS server of {shown(self.servers)} answers")
            if self._opening is opening:
                self._opening = None
            try:
                self._client = opening.result()
            except Exception as error:
                self._warn(f"no connection to NATS: {error}")
                raise AwayError(f"no connection to NATS ({shown(self.servers)}): {error}") from error
        if not self._client.is_connected:
            self._up.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._up.wait(), self._grace(self._down_since))
        if not self._client.is_connected:
            self._warn(f"the connection to NATS ({shown(self.servers)}) is down")
            raise AwayError(f"the connection to NATS ({shown(self.servers)}) is down")
        return self._client

    async def jetstream(self, stream: str, subjects: str) -> "JetStreamContext":
        """Return JetStream, after the stream is there.

        Raises:
            AwayError: NATS does not answer, or cannot be used as it is.
        """
        client = await self.client()
        context = client.jetstream(timeout=TIMEOUT)
        if stream not in self._streams:
            notes, trouble = await prepare(context, stream, subjects, self.settings)
            self._trouble = trouble
            for note in notes:
                self._warn(note, "")
            self._warn(trouble)
            if trouble:
                raise AwayError(trouble)
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
        self._streams.clear()
        self._up.clear()

    def _warn(self, text: str, effect: str = "; agents go on, what they write is not streamed") -> None:
        """Log a warning, once until the connection is established the next time."""
        if text and text not in self._told:
            self._told.add(text)
            logger.warning(
                "servers=<%s> | %s%s",
                ", ".join(shown(self.servers)),
                text,
                effect,
            )

    async def _open(self) -> "NATSClient":
        import nats

        given = dict(self.options)

        async def disconnected() -> None:
            self._down_since = self._down_since or time.monotonic()
            self._up.clear()
            await _call(given.get("disconnected_cb"))

        async def reconnected() -> None:
            self._established()
            await _call(given.get("reconnected_cb"))

        async def failed(error: Exception) -> None:
            """Whoever needs NATS gets an `AwayError`. A refusal is said at once."""
            if any(word in str(error).lower() for word in _REFUSALS):
                self._warn(f"NATS refuses: {error}")
            await _call(given.get("error_cb"), error)

        options: dict[str, Any] = {
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": RETRY_SECONDS,
            "connect_timeout": TIMEOUT,
            "ping_interval": 10,
            "name": "strands-temporal",
            **given,
            "servers": list(self.servers),
            "disconnected_cb": disconnected,
            "reconnected_cb": reconnected,
            "error_cb": failed,
        }
        client = await nats.connect(**options)
        self._established()
        return client

    def _established(self) -> None:
        self.epoch += 1
        self._down_since, self._trouble = None, ""
        self._streams.clear()
        self._told.clear()
        self._up.set()
        for listener in tuple(self.listeners):
            listener()


async def _call(callback: Any, *args: Any) -> None:
    if callback is not None:
        await callback(*args)


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
