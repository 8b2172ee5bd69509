"""Tells what a process has once from what each workflow's sandbox loads again.

A sandbox executes the workflow's own modules again, so their classes and functions are other objects in each
workflow. What is made from them must not outlive the workflow.
"""

import sys
from typing import Any, get_args, get_origin

_MODULES = dict[str, Any]() if type(sys.modules) is not dict else sys.modules
"""The process's own modules. In a sandbox `sys.modules` is another mapping, with the workflow's modules."""


def is_process_wide(thing: Any) -> bool:
    """Tell whether a class or a function is the one that its module has in the whole process.

    It is also False if the workflow has another module under this name: what the annotations of the class or
    function name would then be the workflow's.
    """
    name = getattr(thing, "__module__", None)
    module = _MODULES.get(name) if type(name) is str else None
    if module is None or sys.modules.get(str(name)) is not module:
        return False
    found: Any = module
    for part in thing.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is thing


def is_process_wide_hint(hint: Any) -> bool:
    """Tell whether a type hint is a class of the whole process, or a generic type of such classes."""
    if hint is Any or hint is None:
        return True
    origin = get_origin(hint)
    if origin is not None:
        return is_process_wide_hint(origin) and all(map(is_process_wide_hint, get_args(hint)))
    return isinstance(hint, type) and (hint.__module__ == "builtins" or is_process_wide(hint))


def is_of_ours(hint: Any) -> bool:
    """Tell whether a type hint names a class of these packages, also within a generic type."""
    root = str(getattr(hint, "__module__", "")).partition(".")[0]
    return root.startswith("strands_temporal") or any(map(is_of_ours, get_args(hint)))
