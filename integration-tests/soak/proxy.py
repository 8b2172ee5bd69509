"""A TCP proxy between a worker and the server, whose connections can be delayed, cut and halved."""

import asyncio
import contextlib
from typing import cast


class Proxy:
    """Forwards connections to a port of this machine.

    Args:
        target: The server's port.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._delay = 0.0
        self._is_halved = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> int:
        """End all connections with a reset, in the midst of what they carry. Return how many there were."""
        for task in self._connections:
            task.cancel()
        return len(self._connections)

    async def delay(self, seconds: float, lasting: float) -> None:
        """Hold each piece of data back for so many seconds, for so long."""
        self._delay = seconds
        await asyncio.sleep(lasting)
        self._delay = 0.0

    async def halve(self, lasting: float) -> None:
        """Drop what the server sends, as if that half of each connection were gone. Then end them."""
        self._is_halved.set()
        try:
            await asyncio.sleep(lasting)
        finally:
            self._is_halved.clear()
            self.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections.add(task)
        try:
            await self._forward(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # the server restarts, the worker has ended, or a fault cuts the connection
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        halves = [
            asyncio.create_task(self._copy(reader, server_writer, from_server=False)),
            asyncio.create_task(self._copy(server_reader, writer, from_server=True)),
        ]
        try:
            await asyncio.wait(halves, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for half in halves:
                half.cancel()
            await asyncio.gather(*halves, return_exceptions=True)
            server_writer.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if self._delay:
                    await asyncio.sleep(self._delay)
                if from_server and self._is_halved.is_set():
                    continue
                writer.write(data)
                await writer.drain()
