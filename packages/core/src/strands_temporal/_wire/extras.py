"""The extras of strands-temporal: which are installed, their plugins, and names that users look for here.

Core imports no sibling. A user may register only `StrandsPlugin` and still write `mcp_clients=` or
`streaming_topic=`. Core then loads the sibling's plugin by the entry point that the sibling declares.
"""

import dis
import functools
import importlib
import sys
import types
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NoReturn

from .._errors import MissingExtraError, coded, did_you_mean

GROUP = "strands_temporal.plugins"
"""Entry point group in which each sibling declares its plugin class, under the name of its extra."""

NAMES = {
    "mcp": ("MCPClientFactory", "MCPPlugin", "MCPServersUnavailableError", "TemporalMCPClient"),
    "streaming": ("AgentStream", "StreamHooks", "StreamingPlugin"),
    "otel": ("OTelPlugin",),
    "hitl": ("Approvals", "ApprovalsCarry", "ApprovalsClient", "HITLPlugin", "WebhookNotifier"),
}
"""Names that users may look for in core, by the extra whose package has them."""

_MODULES = ("strands_temporal", *(f"strands_temporal.{name}" for name in ("workflow", "activity", "testing")))


def load_extra(extra: str, asked: str) -> Any:
    """Return the plugin class of a sibling.

    Args:
        extra: The extra, "mcp".
        asked: The user's code that needs it, for the message: "StrandsPlugin(mcp_clients=...)".

    Raises:
        MissingExtraError: If the package is not installed; it names the extra.
    """
    return check_extra(extra, asked).load()


def check_extra(extra: str, asked: str) -> EntryPoint:
    """Return the entry point of a sibling's plugin, without importing it.

    Args:
        extra: As for `load_extra`.
        asked: As for `load_extra`.

    Raises:
        MissingExtraError: As for `load_extra`.
    """
    entry_point = _entry_point(extra)
    if entry_point is None:
        package = f"strands-temporal-{extra}"
        raise MissingExtraError(
            coded(
                "ST102",
                f"{asked} needs the package {package}, which is not installed. "
                f'Install it: pip install "strands-temporal[{extra}]"',
            )
        )
    return entry_point


@functools.cache  # a workflow asks for each agent that it builds
def _entry_point(extra: str) -> EntryPoint | None:
    return next(iter(entry_points(group=GROUP, name=extra)), None)


def _is_import(frame: types.FrameType) -> bool:
    """Tell whether the statement that a frame executes is `from ... import`."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"


def as_missing_name(error: MissingExtraError) -> AttributeError | None:
    """Return the error to raise in place of `error`, so that `hasattr` works; None in an import."""
    if _is_import(sys._getframe(2)):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return None
    return AttributeError(str(error))


def refuse_name(module: str, name: str) -> NoReturn:
    """Raise the error for a name that a public module does not have. The error says where the name is.

    Args:
        module: The module's name.
        name: The name that was asked for.

    Raises:
        ImportError: In `from ... import`, if another module has it.
        MissingExtraError: In `from ... import`, if the package of an extra has it.
        AttributeError: Otherwise. `hasattr` is False.
    """
    if not _is_import(sys._getframe(2)):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    for extra, names in NAMES.items():
        if name in names:
            package = f"strands_temporal_{extra}"
            raise MissingExtraError(
                coded(
                    "ST103",
                    f"{name} is in {package}: from {package} import {name}. It comes with the extra "
                    f'{extra!r}: pip install "strands-temporal[{extra}]"',
                )
            )
    known: set[str] = set()
    for other in _MODULES:
        public = importlib.import_module(other).__all__
        if name in public and other != module:
            raise ImportError(coded("ST103", f"{name} is in {other}: from {other} import {name}"))
        known |= set(public) if other == module else set()
    raise AttributeError(f"module {module!r} has no attribute {name!r}.{did_you_mean(name, known)}")
