"""The answer of a call, and the errors of a call without one.

Tells whether the server answered a failed call. An answered call had its effect, so it is not retried.

The `mcp` package raises the same class for an error that the server answered (a JSON-RPC error) and for one
that the client reports because no answer came (connection lost, timeout). `_NO_ANSWER` recognizes the latter
by code and message, for both major versions of the package. Any other failure happened after an answer:
Strands cannot map the content, or the result does not match its schema.
"""

import asyncio
from contextvars import ContextVar
from typing import Any

from strands_temporal.extension import encode

call_errors: ContextVar[list[Exception] | None] = ContextVar("strands_temporal_mcp_errors", default=None)
"""The exceptions that Strands' client met in this task's call."""

_NO_ANSWER = (
    (-32000, "Connection closed"),  # CONNECTION_CLOSED (mcp 1 and 2)
    (-32000, "SSE stream ended"),  # mcp 2: streamable_http.py:453 and 491
    (-32001, "Request '"),  # REQUEST_TIMEOUT (mcp 2: jsonrpc_dispatcher.py:425)
    (408, "Timed out while waiting for response"),  # mcp 1: session.py:294
    (-32600, "Session terminated"),  # mcp 2, from an HTTP status: the server does not know the session
    (32600, "Session terminated"),  # mcp 1
    # mcp 2, from another HTTP status; with mcp 1 the connection is lost instead
    (-32603, "Server returned an error response"),
)
_CONNECTION_CLOSED = "Connection to the MCP server was closed"  # Strands (1.62: mcp_client.py:1888)
_TRANSPORTS = frozenset({"anyio", "httpcore", "httpx", "httpx2"})


def unanswered(error: BaseException) -> bool:
    """Tell whether a call failed because the server did not answer."""
    inner: Any = getattr(error, "exceptions", ())  # an exception group, or the backport's on Python 3.10
    if inner:
        return any(map(unanswered, inner))
    said: Any = getattr(error, "error", None)
    code, message = getattr(said, "code", None), str(getattr(said, "message", ""))
    if code is not None:
        return any(code == known and message.startswith(words) for known, words in _NO_ANSWER)
    if isinstance(error, (OSError, TimeoutError, asyncio.TimeoutError)) or str(error) == _CONNECTION_CLOSED:
        return True
    return any(cls.__module__.split(".")[0] in _TRANSPORTS for cls in type(error).__mro__)


def note(error: Exception) -> None:
    """Keep an exception that Strands' client met in this task's call."""
    errors = call_errors.get()
    if errors is not None:
        errors.append(error)


def encoded(result: Any) -> Any:
    """Encode a result. If its content holds values that cannot be sent, return an error result."""
    try:
        return encode(result)
    except (TypeError, ValueError, RecursionError) as error:
        content = [{"text": f"Tool execution failed: {error}"}]
        return {"status": "error", "toolUseId": result["toolUseId"], "content": content}
