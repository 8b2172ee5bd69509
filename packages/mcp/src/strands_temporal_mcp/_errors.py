"""Errors of strands-temporal-mcp.

    RuntimeError
    └── MCPServersUnavailableError      a worker does not start: servers that its plugin names do not answer

What crosses an activity is an `ApplicationError` whose type is a constant of `_types.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from temporalio.exceptions import ApplicationError


class MCPServersUnavailableError(RuntimeError):
    """A worker did not start because MCP servers were unavailable. Raised by the Worker's `run`.

    Attributes:
        failures: What each failed server raised, by its name.
    """

    def __init__(self, failures: Mapping[str, BaseException], number: int) -> None:
        self.failures: dict[str, BaseException] = dict(failures)
        lines = [f"\n  {name!r}: {reason(error)}" for name, error in sorted(failures.items())]
        super().__init__(
            f"The worker does not start: {len(failures)} of {number} MCP servers are unavailable. Start "
            f"them, or correct their factories in MCPPlugin(mcp_clients=...).{''.join(lines)}"
        )


def reason(error: BaseException) -> str:
    """Return why a connection failed: what stands behind Strands' and anyio's wrappers."""
    if isinstance(error, ApplicationError):
        return error.message
    texts = [f"{type(leaf).__name__}: {leaf}" for leaf in _leaves(error)]
    return "; ".join(dict.fromkeys(texts))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    inner: Any = getattr(error, "exceptions", ())  # an exception group, also of the backport for Python 3.10
    if inner:
        for one in inner:
            yield from _leaves(one)
    elif error.__cause__ is not None and _says_something(error.__cause__):
        yield from _leaves(error.__cause__)
    else:
        yield error


def _says_something(error: BaseException) -> bool:
    return bool(str(error) or error.__cause__)
