"""Has a server answered a call that failed? One that it has answered is not made again: it had its effect.

The `mcp` package raises one class for what a server answered (a JSON-RPC error) and for what the client says
in the server's place when no answer comes (the connection is gone, the time is over). The latter are known by
code and words, on both lines of the package. Everything else in a failed call came after an answer: content
that Strands cannot map, a result that does not fit its schema.
"""

import asyncio
from typing import Any

_NO_ANSWER = (
    (-32000, "Connection closed"),  # CONNECTION_CLOSED (mcp 1 and 2)
    (-32000, "SSE stream ended"),  # mcp 2: streamable_http.py:453 and 491
    (-32001, "Request '"),  # REQUEST_TIMEOUT (mcp 2: jsonrpc_dispatcher.py:425)
    (408, "Timed out while waiting for response"),  # mcp 1: session.py:294
    (-32600, "Session terminated"),  # mcp 2, of an HTTP status: the server does not know the session
    (32600, "Session terminated"),  # mcp 1
    (
        -32603,
        "Server returned an error response",
    ),  # mcp 2, of another HTTP status; mcp 1 drops the connection
)
_CONNECTION_CLOSED = "Connection to the MCP server was closed"  # Strands (1.62: mcp_client.py:1888)
_TRANSPORTS = frozenset({"anyio", "httpcore", "httpx", "httpx2"})


def unanswered(error: BaseException) -> bool:
    """Tell whether a call failed because no answer of the server came."""
    inner: Any = getattr(error, "exceptions", ())  # an exception group, also of the backport for Python 3.10
    if inner:
        return any(map(unanswered, inner))
    said: Any = getattr(error, "error", None)
    code, message = getattr(said, "code", None), str(getattr(said, "message", ""))
    if code is not None:
        return any(code == known and message.startswith(words) for known, words in _NO_ANSWER)
    if isinstance(error, (OSError, TimeoutError, asyncio.TimeoutError)) or str(error) == _CONNECTION_CLOSED:
        return True
    return any(cls.__module__.split(".")[0] in _TRANSPORTS for cls in type(error).__mro__)
