"""Sessions with MCP servers on a worker: opened when it starts, healed after a drop, closed when it ends."""

import asyncio
import contextvars
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING, Any, cast

from strands.types.exceptions import MCPClientInitializationError
from temporalio.exceptions import ApplicationError

from strands_temporal.activity import NamedFactories, decode, encode

from ._errors import MCPServersUnavailableError, reason
from ._threads import in_thread
from ._types import (
    MCP_CALL_FAILED,
    MCP_CLIENT_FACTORY_FAILED,
    MCP_SERVER_UNAVAILABLE,
    ListedTool,
    ToolListing,
)

if TYPE_CHECKING:  # importing `mcp` takes half a second, which workflow-only processes need not spend
    from strands.tools.mcp import MCPClient

logger = logging.getLogger(__name__)

MCPClientFactory = Callable[[], "MCPClient"]
"""Makes a fully configured `strands.tools.mcp.MCPClient` on the worker, not yet started."""

PROBE_SECONDS = 10.0
"""How long a server that is under suspicion may take to list its tools."""

ELICITATION_REQUIRED = "MCP Elicitation required:"
"""How Strands words, for the model, that a server wants something from the user first (MCP error -32042)."""


class MCPServers:
    """The MCP servers of one plugin. Workers that share the plugin share their sessions.

    Args:
        factories: MCP client factories by server name.
    """

    def __init__(self, factories: Mapping[str, MCPClientFactory]) -> None:
        self._clients = _named_clients(factories)
        self.sessions = [MCPSession(name, self._clients) for name in factories]
        self._lock = threading.Lock()
        self._workers = 0

    def open(self) -> None:
        """Connect to every server and list its tools, unless another worker did. Blocks.

        Raises:
            MCPServersUnavailableError: If servers are unavailable: all of them are named, none stays open.
        """
        with self._lock:
            if not self._workers:
                opening = {session.name: in_thread(session.open) for session in self.sessions}
                failures = {name: error for name, future in opening.items() if (error := future.exception())}
                if failures:
                    self._close()
                    raise MCPServersUnavailableError(failures, len(opening))
            self._workers += 1

    def close(self) -> None:
        """End the sessions if no other worker uses them. Blocks."""
        with self._lock:
            self._workers -= 1
            if not self._workers:
                self._close()

    def _close(self) -> None:
        for future in [in_thread(session.close) for session in self.sessions]:
            future.result()
        self._clients.forget()


class MCPSession:
    """One session with one server, shared by all calls of the worker.

    A call that fails for another reason than the tool's own puts the session under suspicion; before its next
    use the server is asked for its tools, and a session that cannot say is replaced. The call itself is left
    to Temporal's retries: it may have had its effect.

    Args:
        name: The server's name.
        clients: Makes the client.
    """

    def __init__(self, name: str, clients: "NamedFactories[MCPClient]") -> None:
        self.name = name
        self._clients = clients
        self._lock = threading.Lock()  # over everything that starts or stops the client
        self._client: MCPClient | None = None
        self._listing: ToolListing | None = None  # as it was when the worker started; None when closed
        self._suspect = False
        self._calls: set[object] = set()
        self._context = contextvars.Context()

    def open(self) -> None:
        """Connect and list the tools. Blocks."""
        self._context = contextvars.copy_context()
        with self._lock:
            try:
                self._listing = _listing(self._connect())
            except MCPClientInitializationError as error:
                if not self._clients.get(self.name).continue_on_error:
                    raise
                logger.warning("server=<%s>, error=<%s> | goes without its tools", self.name, reason(error))
                self._listing = _listing([])

    def close(self) -> None:
        """Disconnect. Blocks."""
        with self._lock:
            self._listing = None
            self._disconnect()

    async def listing(self, *, fresh: bool, known: str | None) -> ToolListing:
        """Return the tools: those of the worker's start, or, `fresh`, those that the server has now.

        Raises:
            ApplicationError: If the server is unavailable. May be retried.
        """
        listing = self._listing
        if listing is None:
            raise self._unavailable(RuntimeError("no worker with this plugin runs"))
        if fresh:
            listing = _listing(await self._list_now())
        return ToolListing(None, listing.digest) if listing.digest == known else listing

    async def call(self, tool: str, tool_use_id: str, arguments: Any) -> Any:
        """Call a tool and return its encoded result, which may be the tool's own error.

        Raises:
            ApplicationError: If the call failed for any other reason. May be retried.
        """
        try:
            result = await self._call(await self._usable(), tool, tool_use_id, arguments)
        except MCPClientInitializationError:  # the session had ended by itself: nothing was sent
            self._suspect = True
            try:
                result = await self._call(await self._usable(), tool, tool_use_id, arguments)
            except MCPClientInitializationError as error:
                raise self._unavailable(error) from error
        if _is_client_failure(result):
            self._suspect = True
            said = str(result["content"][0]["text"]).rstrip()
            if said.endswith(":"):  # a closed connection has no words of its own
                said += f" the connection to MCP server {self.name!r} is gone"
            raise ApplicationError(said, type=MCP_CALL_FAILED)
        return encode(result)

    async def _call(self, client: "MCPClient", tool: str, tool_use_id: str, arguments: Any) -> Any:
        this_call = object()
        self._calls.add(this_call)
        try:
            return await client.call_tool_async(tool_use_id, tool, decode(arguments))
        except asyncio.CancelledError:
            self._suspect = True  # perhaps cancelled because the server does not answer
            raise
        finally:
            self._calls.discard(this_call)

    async def _list_now(self) -> list[ListedTool]:
        client = await self._usable()
        try:
            return await asyncio.wrap_future(in_thread(lambda: _list(client)))
        except asyncio.CancelledError:
            self._suspect = True
            raise
        except Exception as error:  # whatever the transport raises: the server does not list
            self._suspect = True
            raise self._unavailable(error) from error

    async def _usable(self) -> "MCPClient":
        if self._client is not None and not self._suspect:
            return self._client
        try:
            return await asyncio.wrap_future(in_thread(self._healed))
        except Exception as error:
            raise self._unavailable(error) from error

    def _healed(self) -> "MCPClient":
        with self._lock:
            if self._listing is None:
                raise RuntimeError("the worker has ended")
            if self._client is None or (self._suspect and not self._answers(self._client)):
                logger.info("server=<%s> | connecting again", self.name)
                self._disconnect()
                self._connect()
            self._suspect = False
            return cast("MCPClient", self._client)

    def _answers(self, client: "MCPClient") -> bool:
        try:
            in_thread(lambda: _list(client)).result(PROBE_SECONDS)
        except FutureTimeoutError:
            return bool(self._calls)  # it may be busy with these, and replacing it would end them
        except Exception as error:  # noqa: BLE001  # whatever the transport raises: it does not answer
            logger.debug("server=<%s>, error=<%s> | does not answer", self.name, error)
            return False
        return True

    def _connect(self) -> list[ListedTool]:
        client = self._clients.get(self.name)
        # The client's thread inherits a context: the worker's, not that of a call that met a dead session.
        self._context.copy().run(client.start)
        self._client = client
        try:
            return _list(client)  # also after a drop: the client learns from it which tools run as tasks
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.stop(None, None, None)
        except Exception as error:  # noqa: BLE001  # it says how the connection ended, which is over anyway
            logger.debug("server=<%s>, error=<%s> | ended", self.name, error)

    def _unavailable(self, error: Exception) -> ApplicationError:
        if isinstance(error, ApplicationError):
            return error
        return ApplicationError(
            f"MCP server {self.name!r} is unavailable: {reason(error)}", type=MCP_SERVER_UNAVAILABLE
        )


def _named_clients(factories: Mapping[str, MCPClientFactory]) -> "NamedFactories[MCPClient]":
    client_class: type[Any] = object
    if factories:
        from strands.tools.mcp import MCPClient

        client_class = MCPClient
    return NamedFactories(
        "MCP server", "MCPPlugin(mcp_clients=...)", factories, client_class, MCP_CLIENT_FACTORY_FAILED
    )


def _list(client: "MCPClient") -> list[ListedTool]:
    """Return every page of the tools, with the client's own prefix and filters."""
    tools: list[ListedTool] = []
    page = client.list_tools_sync()
    while True:
        tools += [
            ListedTool(str(tool.mcp_tool.name), encode(tool.tool_spec)) for tool in cast("list[Any]", page)
        ]
        if page.pagination_token is None:
            return tools
        page = client.list_tools_sync(page.pagination_token)


def _listing(tools: list[ListedTool]) -> ToolListing:
    text = json.dumps([[tool.name, tool.spec] for tool in tools], sort_keys=True)
    return ToolListing(tools, hashlib.sha256(text.encode()).hexdigest()[:16])


def _is_client_failure(result: Any) -> bool:
    """Tell a failure of transport or protocol from a tool's: Strands sets `isError` only for the latter."""
    if result["status"] != "error" or "isError" in result:
        return False
    return not str(result["content"][0].get("text", "")).startswith(ELICITATION_REQUIRED)
