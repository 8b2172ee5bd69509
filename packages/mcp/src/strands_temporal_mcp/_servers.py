"""The MCP servers of one plugin: connected before its first worker starts, disconnected after its last."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from strands_temporal.extension import NamedFactories

from ._errors import MCPServersUnavailableError
from ._session import MCPSession
from ._threads import in_thread
from ._types import MCP_CLIENT_FACTORY_FAILED

if TYPE_CHECKING:  # importing `mcp` takes half a second, which workflow-only processes need not spend
    from strands.tools.mcp import MCPClient

MCPClientFactory = Callable[[], "MCPClient"]
"""Makes a fully configured `strands.tools.mcp.MCPClient` on the worker, not yet started."""


class MCPServers:
    """The MCP servers of one plugin. Workers that share the plugin share their sessions.

    Args:
        factories: MCP client factories by server name. None means no servers.
        startup_timeout: How long a server may take to connect and list its tools.
        idle_timeout: How long a connection may be unused before it is closed; None keeps it open.
    """

    def __init__(
        self,
        factories: Mapping[str, MCPClientFactory] | None,
        startup_timeout: timedelta,
        idle_timeout: timedelta | None = None,
    ) -> None:
        self._clients = _named_clients(factories)
        self.sessions = [
            MCPSession(name, self._clients, startup_timeout, idle_timeout) for name in self._clients.factories
        ]
        self._lock = threading.Lock()  # the thread of a cancelled caller may still open or close sessions

    def open(self, ending: "Future[None]") -> None:
        """Connect to every server and list its tools. Blocks.

        Args:
            ending: Done if the worker is stopped while it starts. That ends the attempt to connect.

        Raises:
            MCPServersUnavailableError: If servers are unavailable. It names all of them. No session stays
                open.
        """
        with self._lock:
            opening = {s.name: in_thread(partial(s.open, ending)) for s in self.sessions}
            failures = {name: error for name, future in opening.items() if (error := future.exception())}
            if failures:
                self._close()
                raise MCPServersUnavailableError(failures, len(opening))

    def close(self) -> None:
        """End the sessions. Blocks."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        for future in [in_thread(session.close) for session in self.sessions]:
            future.result()
        self._clients.clear()


def _named_clients(factories: Mapping[str, MCPClientFactory] | None) -> "NamedFactories[MCPClient]":
    client_class: type[Any] = object
    if factories:
        from strands.tools.mcp import MCPClient

        client_class = MCPClient
    return NamedFactories(
        "MCP server",
        "MCPPlugin(mcp_clients=...)",
        factories,
        client_class,
        MCP_CLIENT_FACTORY_FAILED,
        "MCPClient(...)",
    )
