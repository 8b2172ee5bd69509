"""A provider with a real quota: it speaks OpenAI's protocol, and answers 429 to what is above its quota.

It may also be overloaded: then it refuses a share of all requests, whatever the quota says.
"""

import asyncio
import json
import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_REASONS = {200: "OK", 429: "Too Many Requests"}


@dataclass
class Quota:
    """A token bucket, as providers count requests.

    Attributes:
        per_second: Requests a second.
        burst: Requests that it takes at once after a pause.
        refuses: Share of the requests that it refuses though the quota allows them, from 0 to 1. They do not
            count in the quota.
        answered: When it answered a request with 200, in seconds of a monotonic clock.
        refused: How many requests it answered with 429.
    """

    per_second: float
    burst: int
    refuses: float = 0.0
    answered: list[float] = field(default_factory=list[float])
    refused: int = 0

    def __post_init__(self) -> None:
        self._tokens, self._at = float(self.burst), time.monotonic()
        self._owed = 0.0  # refusals

    def take(self) -> float:
        """Take a token. Return 0, or the seconds until there is one."""
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        self._owed += self.refuses
        if self._owed >= 1:
            self._owed -= 1
            self.refused += 1
            return 1 / self.per_second
        if self._tokens >= 1:
            self._tokens -= 1
            self.answered.append(now)
            return 0.0
        self.refused += 1
        return (1 - self._tokens) / self.per_second

    @property
    def seconds(self) -> float:
        """From the first answer to the last."""
        return self.answered[-1] - self.answered[0] if self.answered else 0.0

    def stretch(self, share: float = 1.0) -> float:
        """How many times as long the first answers took as the quota allows.

        Args:
            share: How many of all answers. In the end few agents are left, and each waits after a refusal.
        """
        count = round(share * len(self.answered))
        least = (count - self.burst) / self.per_second
        return (self.answered[count - 1] - self.answered[0]) / least if least > 0 else 0.0


@asynccontextmanager
async def provider(quota: Quota) -> AsyncGenerator[str]:
    """Serve chat completions on 127.0.0.1 while the block runs. Yield the base URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").lower().split("\r\n")
                sizes = [line.partition(":")[2] for line in lines if line.startswith("content-length:")]
                await reader.readexactly(int(sizes[0]) if sizes else 0)
                writer.write(_answer(quota.take()))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.close()


def _answer(wait: float) -> bytes:
    if wait:
        # Whole seconds, as RFC 9110 has them and most providers send them.
        return _response(429, "application/json", _REFUSAL, f"retry-after: {math.ceil(wait)}\r\n")
    return _response(200, "text/event-stream", _CHUNKS)


def _response(status: int, kind: str, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}{more}\r\n".encode() + body


def _chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": choices}
    return f"data: {json.dumps(chunk)}\n\n".encode()


_CHUNKS = _chunk({"role": "assistant", "content": "Done."}) + _chunk({}, "stop") + b"data: [DONE]\n\n"
_REFUSAL = json.dumps({"error": {"message": "Rate limit reached", "type": "requests", "code": "x"}}).encode()
