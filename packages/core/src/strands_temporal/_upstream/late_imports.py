"""Lets a workflow be the first to import Strands' vended tools.

They bring the MCP SDK and a web server, which takes a second and 60 MB, so a worker imports them only if they
are loaded already. The sandbox replaces `sys.modules` while a workflow runs, and no extension module can be
loaded then (temporalio 1.35: "Objects/dictobject.c: bad argument to internal function"). The extension
modules below are small, and all that the vended tools load.
"""

import contextlib
import importlib
import sys

EXTENSION_MODULES = ("_cffi_backend", "cryptography.hazmat.bindings._rust", "watchfiles._rust_notify")
"""Extension modules that `strands.vended_tools` loads (1.62: through mcp and uvicorn)."""

VENDED_TOOLS = "strands.vended_tools"

LAZY_TOOLS = ("strands.vended_tools.a2a_client", "strands.vended_tools.web_fetch")
"""Vended tools that Strands imports when they are first asked for, with extension modules of their own."""


def prepare_late_imports() -> None:
    """Load what a workflow could not load. Idempotent."""
    for module in (*EXTENSION_MODULES, *(LAZY_TOOLS if VENDED_TOOLS in sys.modules else ())):
        with contextlib.suppress(ImportError):  # an extra that is not installed
            importlib.import_module(module)
