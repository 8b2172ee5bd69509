"""Errors of strands-temporal-mcp.

    RuntimeError
    └── MCPServersUnavailableError      a worker does not start because MCP servers are unavailable

Activities raise `ApplicationError`s whose types are constants of `_types.py`.
"""

from collections.abc import Mapping

from temporalio.exceptions import ApplicationError

from strands_temporal.extension import error_leaves


class MCPServersUnavailableError(RuntimeError):
    """A worker did not start because MCP servers were unavailable. Raised by the Worker's `run`.

    Attributes:
        failures: The exception of each unavailable server, by the server's name.
    """

    def __init__(self, failures: Mapping[str, BaseException], number: int) -> None:
        self.failures: dict[str, BaseException] = dict(failures)
        lines = [f"\n  {name!r}: {reason(error)}" for name, error in sorted(failures.items())]
        super().__init__(
            f"The worker does not start: {len(failures)} of {number} MCP servers are unavailable. Start "
            f"them, or correct their factories in MCPPlugin(mcp_clients=...).{''.join(lines)}"
        )


def reason(error: BaseException) -> str:
    """Return why a connection failed, without the wrappers of Strands and anyio."""
    if isinstance(error, ApplicationError):
        return error.message
    texts = [f"{type(leaf).__name__}: {leaf}" for leaf in _causes(error)]
    return "; ".join(dict.fromkeys(texts))


def _causes(error: BaseException) -> list[BaseException]:
    """Return the root causes of `error`, found through groups and wrappers.

    Of two errors in a chain, the inner one is left out if it has neither a message nor a cause: the outer one
    says more.
    """
    leaves = error_leaves(error)
    if leaves != [error]:
        return [cause for leaf in leaves for cause in _causes(leaf)]
    cause = error.__cause__
    return _causes(cause) if cause is not None and (str(cause) or cause.__cause__) else leaves
