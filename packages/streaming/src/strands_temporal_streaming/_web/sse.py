"""Server-sent events: ids by which a reader comes back, and a response that lets slow readers go."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from urllib.parse import quote, unquote

from ag_ui.core import BaseEvent
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .errors import refuse

logger = logging.getLogger(__name__)

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # else nginx keeps events back
    (b"x-content-type-options", b"nosniff"),
]


@dataclass(frozen=True)
class Position:
    """Where a reader is in a thread's events: after the AG-UI event with this id.

    Attributes:
        start: Offset in the stream at which the turn began.
        offset: Offset of the event in the stream.
        number: Number of the AG-UI event among those of that offset, from 1.
        pauses: How often the turn had paused before.
        run: Id of the run.
        is_running: Whether that run goes on after the event.
        beside: Characters of the event if it did not come from the workflow's log (1 if it has no text);
            else 0.
    """

    start: int
    offset: int
    number: int
    pauses: int
    run: str
    is_running: bool
    beside: int = 0

    def __str__(self) -> str:
        numbers = (self.start, self.offset, self.number, self.pauses, int(self.is_running), self.beside)
        return ".".join([*map(str, numbers), quote(self.run, safe="")])

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Return the position in a `Last-Event-ID`.

        Raises:
            WebError: If it is none.
        """
        parts = text.split(".", 6)
        if len(parts) != 7 or not all(p.isascii() and p.isdigit() and len(p) < 20 for p in parts[:6]):
            refuse(f"Last-Event-ID: {text[:50]!r} is not the id of an event of this server")
        start, offset, number, pauses, running, beside = map(int, parts[:6])
        return cls(start, offset, number, pauses, unquote(parts[6]), bool(running), beside)


@dataclass(frozen=True)
class Sent:
    """An AG-UI event for a reader, with its position if a reader can come back after it."""

    event: BaseEvent
    position: Position | None = None

    def encode(self) -> bytes:
        """Return the event as SSE."""
        id_ = f"id: {self.position}\n" if self.position else ""
        return f"{id_}data: {self.event.model_dump_json(by_alias=True)}\n\n".encode(errors="replace")


class SSEResponse(Response):
    """Sends events as they come. Ends when they end, or the reader has gone, or does not read.

    Args:
        events: The events.
        keep_alive: Seconds of silence after which a comment is sent, so that proxies keep the connection.
        write_timeout: Seconds in which the reader must take what is sent. A reader that does not is dropped.
    """

    def __init__(
        self, events: AsyncGenerator[Sent, None], *, keep_alive: float, write_timeout: float
    ) -> None:
        super().__init__()
        self._events = events
        self._keep_alive = keep_alive
        self._write_timeout = write_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        gone = asyncio.create_task(_gone(receive))
        sending = asyncio.create_task(self._send_all(send))
        try:
            await asyncio.wait([gone, sending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, sending):
                task.cancel()
            ended = await asyncio.gather(gone, sending, return_exceptions=True)
        error = ended[1]
        if isinstance(error, asyncio.TimeoutError):
            logger.warning("path=<%s> | a reader that does not read was dropped", scope.get("path"))
        elif isinstance(error, Exception) and not isinstance(error, OSError):
            raise error

    async def _send_all(self, send: Send) -> None:
        await self._write(send, {"type": "http.response.start", "status": 200, "headers": _HEADERS})
        coming: asyncio.Future[Sent] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(self._events))
                done, _ = await asyncio.wait([coming], timeout=self._keep_alive)
                if not done:
                    await self._body(send, b": keep-alive\n\n")
                    continue
                task, coming = coming, None
                try:
                    sent = task.result()
                except StopAsyncIteration:
                    break
                await self._body(send, sent.encode())
            await self._write(send, {"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            with contextlib.suppress(Exception):
                await self._events.aclose()

    async def _body(self, send: Send, data: bytes) -> None:
        await self._write(send, {"type": "http.response.body", "body": data, "more_body": True})

    async def _write(self, send: Send, message: dict[str, object]) -> None:
        await asyncio.wait_for(send(message), self._write_timeout)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
