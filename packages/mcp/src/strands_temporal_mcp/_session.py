"""One session with one MCP server: opened when the worker starts, replaced if it drops, closed at the end."""

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from strands.types.exceptions import MCPClientInitializationError
from temporalio.exceptions import ApplicationError

from strands_temporal.extension import NamedFactories, decode, mcp_connection_end, note_mcp_errors

from ._answers import call_errors, encoded, note, unanswered
from ._errors import reason
from ._listings import ServerTools, list_all, listing_of
from ._threads import NoAnswerError, in_thread, within
from ._types import MCP_CALL_FAILED, MCP_SERVER_UNAVAILABLE, ToolListing

if TYPE_CHECKING:
    from strands.tools.mcp import MCPClient

logger = logging.getLogger(__name__)

PROBE_SECONDS = 10.0
"""How long a server may take to list its tools when its session is suspect."""

STOP_SECONDS = 10.0
"""How long a session may take to end. Strands joins its thread, which may wait for the server forever."""


class MCPSession:
    """One session with one server, shared by all calls of the worker.

    A session whose connection has ended meanwhile, because the server's process is gone, is replaced before
    its next use. A call that gets no answer makes the session suspect. Before its next use, a suspect session
    must list the server's tools; if it cannot, it is replaced. Only Temporal retries the failed call, because
    the server may have executed it.

    Args:
        name: The server's name.
        clients: The factories that make the client.
        startup_timeout: How long the server may take to connect and list its tools.
        idle_timeout: How long the connection may be unused before it is closed; the next call opens another
            one. None keeps it open.
    """

    def __init__(
        self,
        name: str,
        clients: "NamedFactories[MCPClient]",
        startup_timeout: timedelta,
        idle_timeout: timedelta | None = None,
    ) -> None:
        self.name = name
        self._clients = clients
        self._startup_seconds = startup_timeout.total_seconds()
        self._idle_seconds = idle_timeout.total_seconds() if idle_timeout else None
        self._last_used = 0.0  # time.monotonic()
        self._idle_timer: threading.Timer | None = None
        self._ending: Future[None] = Future()  # done when the worker ends, so that no wait goes on
        self._lock = threading.Lock()  # held by everything that starts or stops the client
        self._client: MCPClient | None = None
        self._noted: MCPClient | None = None  # the client whose errors are noted; it outlives its sessions
        self._ended: Callable[[], bool] = bool  # whether the connection of the client has ended by itself
        self._listing: ToolListing | None = None  # as of the worker's start; None when closed
        self._suspect = False
        self._calls: set[object] = set()
        self._listings = 0  # number in progress; the connection is not idle meanwhile
        self._context = contextvars.Context()

    def open(self, ending: "Future[None]") -> None:
        """Connect and list the tools; give up when `ending` is done. Blocks."""
        self._context = contextvars.copy_context()
        with self._lock:
            self._ending = ending
            try:
                self._listing = listing_of(self._connect())
            except (MCPClientInitializationError, NoAnswerError) as error:
                if not self._clients.get(self.name).continue_on_error:
                    raise
                logger.warning("server=<%s>, error=<%s> | goes without its tools", self.name, reason(error))
                self._listing = listing_of(ServerTools())
            finally:
                self._ending = Future()

    def close(self) -> None:
        """Disconnect. Blocks."""
        self._ending.set_result(None)
        with self._lock:
            self._listing = None
            self._disconnect()

    async def listing(self, *, fresh: bool, known: str | None, read_only: bool = False) -> ToolListing:
        """Return the tools that were listed when the worker started or, if `fresh`, are listed now.

        If `known` is the digest of these tools, the listing leaves them out. It tells which are read-only if
        `read_only` asks for that.

        Raises:
            ApplicationError: If the server is unavailable. Retryable.
        """
        listing = self._listing
        if listing is None:
            raise self._unavailable(RuntimeError("no worker with this plugin runs"))
        if fresh:
            listing = listing_of(await self._list_now())
        if listing.digest == known:
            return ToolListing(None, listing.digest)
        return listing if read_only else replace(listing, read_only=None)

    async def call(self, tool: str, tool_use_id: str, arguments: Any) -> Any:
        """Call a tool and return its encoded result: any answer of the server, including an error.

        Raises:
            ApplicationError: If no answer came. Retryable.
        """
        errors: list[Exception] = []
        token = call_errors.set(errors)
        try:
            result, unsent = await self._try_to_call(tool, tool_use_id, arguments, errors)
            if unsent is not None:  # the session had already ended: it may be sent again
                self._suspect = True
                errors.clear()
                result, unsent = await self._try_to_call(tool, tool_use_id, arguments, errors)
        finally:
            call_errors.reset(token)
        if unsent is not None:
            self._suspect = True
            raise self._unavailable(unsent)
        if any(map(unanswered, errors)):
            self._suspect = True
            said = str(result["content"][0]["text"]).rstrip()
            if said.endswith(":"):  # the error of a closed connection has no text
                said += f" the connection to MCP server {self.name!r} is gone"
            raise ApplicationError(said, type=MCP_CALL_FAILED)
        return encoded(result)

    async def _try_to_call(
        self, tool: str, tool_use_id: str, arguments: Any, errors: list[Exception]
    ) -> tuple[Any, Exception | None]:
        """Call a tool. Return its result, and the error because of which nothing was sent.

        Strands raises that error, or makes a failed result of it if the session ends a moment later.
        """
        client = await self._usable()
        try:
            result = await self._call(client, tool, tool_use_id, arguments)
        except MCPClientInitializationError as error:
            return None, error
        return result, next((each for each in errors if isinstance(each, MCPClientInitializationError)), None)

    async def _call(self, client: "MCPClient", tool: str, tool_use_id: str, arguments: Any) -> Any:
        this_call = object()
        self._calls.add(this_call)
        try:
            return await client.call_tool_async(tool_use_id, tool, decode(arguments))
        except asyncio.CancelledError:
            self._suspect = True  # perhaps cancelled because the server did not answer
            raise
        finally:
            self._last_used = time.monotonic()
            self._calls.discard(this_call)

    async def _list_now(self) -> ServerTools:
        client = await self._usable()
        self._listings += 1
        try:
            return await asyncio.wrap_future(in_thread(lambda: list_all(client)))
        except asyncio.CancelledError:
            self._suspect = True
            raise
        except Exception as error:  # a transport may raise anything: the server did not list
            self._suspect = True
            raise self._unavailable(error) from error
        finally:
            self._last_used = time.monotonic()
            self._listings -= 1

    async def _usable(self) -> "MCPClient":
        # With an idle timeout, take the client under the lock (in a thread): it may be closing.
        if self._ended():
            self._suspect = True  # until it has a new session, which other calls must not use before
        client = None if self._suspect or self._idle_seconds else self._client
        try:
            while client is None:
                client = await asyncio.wrap_future(in_thread(self._healed))
        except Exception as error:
            raise self._unavailable(error) from error
        return client

    def _healed(self) -> "MCPClient | None":
        """Return the client, with a new session if the old one is dead.

        Return None while other calls run and the server does not answer a probe: it may just be busy.
        """
        with self._lock:
            if self._listing is None:
                raise RuntimeError("the worker has ended")
            if self._client is not None and self._ended():
                self._disconnect()
            if self._client is not None and self._suspect:
                try:
                    within(PROBE_SECONDS, partial(list_all, self._client), self._ending)
                except NoAnswerError:
                    if self._calls:  # the server may be busy with them; a new session would end them
                        return None
                    self._disconnect()
                except Exception as error:  # noqa: BLE001  # a transport may raise anything: no answer
                    logger.debug("server=<%s>, error=<%s> | does not answer", self.name, error)
                    self._disconnect()
            if self._client is None:
                logger.info("server=<%s> | connecting again", self.name)
                self._connect()
            self._suspect = False
            self._last_used = time.monotonic()
            return self._client

    def _connect(self) -> ServerTools:
        client = self._client = self._clients.get(self.name)
        if client is not self._noted:
            note_mcp_errors(client, note)
            self._ended = mcp_connection_end(client)
            self._noted = client

        def start() -> ServerTools:
            # The client's thread inherits this context: the worker's, not that of the call that reconnects.
            self._context.copy().run(client.start)
            return list_all(client)  # also after a drop: the client learns which tools run as tasks

        try:
            listed = within(self._startup_seconds, start, self._ending)
        except BaseException:
            self._disconnect()
            raise
        if self._idle_seconds:
            self._last_used = time.monotonic()
            self._look_after(self._idle_seconds)
        return listed

    def _look_after(self, seconds: float) -> None:
        """Check after `seconds` whether the connection is idle."""
        self._idle_timer = threading.Timer(seconds, self._close_if_idle)
        self._idle_timer.daemon = True
        self._idle_timer.start()

    def _close_if_idle(self) -> None:
        with self._lock:
            if self._client is None or self._idle_seconds is None or self._idle_timer is None:
                return
            left = self._idle_seconds
            if not (self._calls or self._listings):
                left += self._last_used - time.monotonic()
            if left > 0:
                self._look_after(left)
            else:
                logger.info("server=<%s> | closing its idle connection", self.name)
                self._disconnect()

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if client is None:
            return
        stopping = in_thread(lambda: client.stop(None, None, None))
        wait([stopping], STOP_SECONDS)
        if not stopping.done():
            # Strands joins a thread that waits for the server, and cannot abandon it.
            logger.warning("server=<%s> | its session does not end; abandoning it", self.name)
            self._clients.clear()  # the next session gets a new client
        elif error := stopping.exception():  # says how the connection ended; nothing to do
            logger.debug("server=<%s>, error=<%s> | ended", self.name, error)

    def _unavailable(self, error: Exception) -> ApplicationError:
        if isinstance(error, ApplicationError):
            return error
        return ApplicationError(
            f"MCP server {self.name!r} is unavailable: {reason(error)}", type=MCP_SERVER_UNAVAILABLE
        )
