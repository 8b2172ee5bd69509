"""Says which module keeps a workflow's file from loading in the sandbox, and what to write. Worker side.

Temporal says "Failed validating workflow", with the cause many frames above.
"""

import traceback
from collections.abc import Generator
from contextlib import contextmanager

from ._strands_tools import remedy


class UnloadableModuleError(ImportError):
    """A workflow's file imports a module that the workflow sandbox cannot load; `name` is the module."""


@contextmanager
def load_errors_explained(workflow_module: str) -> Generator[None]:
    """Turn what loading a workflow's file raises into an error that names the module and the remedy.

    Args:
        workflow_module: Module of the workflow.

    Raises:
        UnloadableModuleError: The file imports something that the sandbox cannot load.
    """
    try:
        yield
    except Exception as error:
        explained = _explained(workflow_module, error)
        if explained is None:
            raise
        raise explained from error


def _explained(workflow_module: str, error: Exception) -> UnloadableModuleError | None:
    """Return the error that says so, None where the fault is in the user's own package."""
    loading = [
        str(frame.f_globals.get("__name__", ""))
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == "<module>"
    ]
    if workflow_module not in loading:
        return None
    package = workflow_module.partition(".")[0]
    imported = loading[loading.index(workflow_module) + 1 :]
    foreign = next((name for name in imported if name.partition(".")[0] != package), None)
    if foreign is None:
        return None
    return UnloadableModuleError(_message(workflow_module, foreign, imported[-1], error), name=foreign)


def _message(workflow_module: str, module: str, deepest: str, error: Exception) -> str:
    within = "" if deepest == module else f", in {deepest}"
    advice = remedy(module) or (
        "If it does no I/O, import it through the sandbox: `with workflow.unsafe.imports_passed_through(): "
        f"import {module}`. If it does, use it in an activity (`activity_as_tool`), or host the tool on the "
        "worker: StrandsPlugin(tools=...) and TemporalTools(name)"
    )
    return (
        f"{workflow_module} imports {module}, which the workflow sandbox cannot load. {advice}. "
        f"({error}{within})"
    )
