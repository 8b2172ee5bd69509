"""`MCPPlugin`: MCP servers for durable Strands agents, on a Client or Worker."""

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import timedelta

from strands_temporal.extension import ComposablePlugin

from ._activities import server_activities
from ._servers import MCPClientFactory, MCPServers
from ._threads import in_thread

STARTUP_TIMEOUT = timedelta(minutes=2)
"""Long enough for a server that a package runner (uvx, npx) has to download first."""


class MCPPlugin(ComposablePlugin):
    """Run named MCP servers on this worker, for agents in workflows to use.

    Put it on the Client (its workers pick it up), on a Worker, or on both, beside
    `strands_temporal.StrandsPlugin`. When a worker starts, it connects to every server and lists its tools.
    If a server is unavailable, the worker does not start. Each server has one session, which lasts as long as
    the worker. The counterpart in the workflow is `TemporalMCPClient(server=name)`.

    Args:
        mcp_clients: Factories of `strands.tools.mcp.MCPClient` by server name. The name is part of the
            activities' types, `{server}-list-tools` and `{server}-call-tool`. Without factories, the plugin
            only lets workflows use the servers of other workers, and lets a Replayer replay them.
        startup_timeout: How long a server may take to connect and list its tools, when a worker starts and
            when a dropped session is replaced. Choose at least the `startup_timeout` of the `MCPClient`. That
            one ends the wait for a server that cannot be reached, but not for one that never answers (strands
            1.62).
        connection_idle_timeout: How long a connection may be unused before it is closed; the next call opens
            another one. None, the default, keeps it open until the worker ends.

    Raises:
        TypeError: If `mcp_clients` is not a mapping, a name is not a string, a factory cannot be called, or a
            timeout is not a timedelta.
        ValueError: If a name is empty, or a timeout is not positive.
    """

    def __init__(
        self,
        *,
        mcp_clients: Mapping[str, MCPClientFactory] | None = None,
        startup_timeout: timedelta = STARTUP_TIMEOUT,
        connection_idle_timeout: timedelta | None = None,
    ) -> None:
        _check_timeout("startup_timeout", startup_timeout)
        if connection_idle_timeout is not None:
            _check_timeout("connection_idle_timeout", connection_idle_timeout)
        self._servers = MCPServers(mcp_clients, startup_timeout, connection_idle_timeout)
        super().__init__(
            "strands_temporal_mcp.MCPPlugin",
            activities=[f for session in self._servers.sessions for f in server_activities(session)],
            passthrough_modules=("strands_temporal_mcp",),
        )

    def conflict(self, other: ComposablePlugin, activity: str) -> str:
        """See base class. Plugins whose servers have different names compose."""
        return (
            f"The worker already has an activity {activity!r}: two plugins name the same MCP server. "
            "Pass one plugin object to the client, to the worker, or to both, or give the servers different "
            "names"
        )

    async def open(self) -> None:
        """Connect to the servers. The worker starts after that.

        Raises:
            MCPServersUnavailableError: If servers are unavailable.
        """
        ending: Future[None] = Future()
        opening = in_thread(lambda: self._servers.open(ending))
        try:
            await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            ending.set_result(None)

            def close_if_open() -> None:
                if opening.exception() is None:
                    self._servers.close()

            closing = asyncio.wrap_future(in_thread(close_if_open))
            while not closing.done():  # also if cancelled again: the next worker needs closed sessions
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.wait([closing])
            raise

    async def close(self) -> None:
        """End the sessions."""
        await asyncio.wrap_future(in_thread(self._servers.close))


def _check_timeout(name: str, timeout: object) -> None:
    if not isinstance(timeout, timedelta):
        raise TypeError(f"MCPPlugin: {name}={timeout!r} is not a timedelta. Write timedelta(minutes=5)")
    if timeout <= timedelta():
        raise ValueError(f"MCPPlugin: {name}={timeout!r} is not positive")
