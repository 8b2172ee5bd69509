"""Makes `isinstance` and `issubclass` quick in the modules that run in workflows.

While a workflow runs in any thread, temporalio (1.35: workflow_sandbox/_importer.py) has its own two in the
builtins. They do what Python's do, once a proxy of the sandbox among the arguments is unwrapped, and find
their way through a thread-local: a call takes 2.4 µs instead of 0.1, also in threads without a workflow. An
agent with one tool call makes over a thousand calls. The two here give the same answers in a tenth of the
time.
"""

import builtins
import re
import sys
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any

from temporalio.worker.workflow_sandbox import _restrictions  # pyright: ignore[reportPrivateUsage]

_IN_WORKFLOWS = re.compile(r"(strands|temporalio)(\.|$)|strands_temporal(_\w+)?\._")
"""Modules that check types in workflows. Of ours only private ones: the others define no such name."""

_PREFIXES = ("strands", "temporalio")  # spares the pattern most of a process's modules, for each plugin

NAMES = ("isinstance", "issubclass")


def quicken_type_checks() -> None:
    """Put the two into all loaded modules of `_IN_WORKFLOWS` that have none of their own. Idempotent."""
    quick = {name: check for name in NAMES if (check := quick_check(name)) is not None}
    for module_name, module in [*sys.modules.items()]:
        if module_name.startswith(_PREFIXES) and _IN_WORKFLOWS.match(module_name):
            for name, check in quick.items():
                vars(module).setdefault(name, check)


def quick_check(name: str) -> Callable[[Any, Any], bool] | None:
    """Return the quick form of a builtin; None if what is in its place does not tell where the builtin is."""
    found: Any = getattr(builtins, name)
    own: Any = getattr(found, "orig", found)  # a workflow runs in another thread
    if type(own) is not BuiltinFunctionType:
        return None
    proxy = _restrictions._RestrictedProxy  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    unwrap = _restrictions.RestrictionContext.unwrap_if_proxied

    def check(value: Any, kind: Any, /) -> bool:
        if type(value) is proxy or type(kind) is proxy:
            return own(unwrap(value), unwrap(kind))
        return own(value, kind)

    return check
