"""Names the module that keeps a workflow's file from loading in the sandbox, and the fix.

Temporal's own error is "Failed validating workflow". Its cause is many lines higher up in the traceback.
"""

import sys
import sysconfig
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .._errors import UnloadableModuleError
from .strands_tools import remedy

_SANDBOXED_MAIN = "__temporal_main__"
"""The sandbox's name for the script that was run; Python's is `__main__`."""

_INSTALLED_IN = ("site-packages", "dist-packages")
"""Names of folders of installed packages. `sys.path` may have several: `uv run --with` puts one in front."""


@dataclass(frozen=True)
class _Loading:
    """A module that was being imported when the error occurred."""

    name: str
    file: str

    @property
    def installed(self) -> bool:
        """Whether the module belongs to the standard library or to an installed package."""
        library = [sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
        packages = [folder for folder in sys.path if Path(folder).name in _INSTALLED_IN]
        return self.file.startswith((*library, *packages))

    @property
    def shown(self) -> str:
        """The module's name for a message. For the script that was run, the name of its file."""
        return (
            f"{Path(self.file).name} (the script that was run)" if self.name == _SANDBOXED_MAIN else self.name
        )


@contextmanager
def load_errors_explained(workflow_module: str) -> Generator[None]:
    """Turn an error raised while a workflow's file loads into one that names the module and the remedy.

    Args:
        workflow_module: Module of the workflow.

    Raises:
        UnloadableModuleError: If the file imports something that the sandbox cannot load.
    """
    try:
        yield
    except Exception as error:
        explained = _explained(workflow_module, error)
        if explained is None:
            raise
        raise explained from error


def maker_error(agent: str, module: str, error: Exception) -> UnloadableModuleError:
    """Return the error for an agent by name whose function cannot be imported in the sandbox.

    Args:
        agent: Name of the agent.
        module: Module of the function that makes it.
        error: What the import raised.
    """
    explained = _explained(module, error)
    if explained is not None:
        return UnloadableModuleError(f"Agent {agent!r}: {explained}", name=explained.name)
    loading = _loading(error)
    where = f" ({loading[-1].file})" if loading else ""
    is_script = module == "__main__"
    shown = "the script that was run" if is_script else module
    advice = (
        'Start the program in it under `if __name__ == "__main__":`'
        if is_script
        else "Mend that file and restart the worker. If the file loads outside of the sandbox, import what "
        "fails with `with workflow.unsafe.imports_passed_through(): import ...`"
    )
    text = (
        f"Agent {agent!r} cannot be made: {shown} does not load in the workflow sandbox, where each workflow "
        f"imports it again. {type(error).__name__}: {error}{where}. {advice}"
    )
    return UnloadableModuleError(text, name=module)


def _explained(workflow_module: str, error: Exception) -> UnloadableModuleError | None:
    """Return the error that names module and remedy; None if the user's own package is at fault."""
    if workflow_module == "__main__":
        workflow_module = _SANDBOXED_MAIN
    loading = _loading(error)
    names = [module.name for module in loading]
    if workflow_module not in names:
        return None
    chain = loading[names.index(workflow_module) :]
    package = workflow_module.partition(".")[0]
    others = [i for i, module in enumerate(chain) if module.name.partition(".")[0] != package]
    foreign = next((i for i in others if chain[i].installed), others[0] if others else None)
    if foreign is None:
        return None
    return UnloadableModuleError(_message(chain, foreign, error), name=chain[foreign].name)


def _loading(error: Exception) -> list[_Loading]:
    return [
        _Loading(str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename)
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == "<module>"
    ]


def _message(chain: Sequence[_Loading], foreign: int, error: Exception) -> str:
    """Return the message that names a module and the remedy.

    Args:
        chain: The modules that were being imported: the workflow's file, the module that it imports, and so
            on up to the module that failed.
        foreign: Index in `chain` of the module to name.
        error: The error that the import raised.
    """
    module = chain[foreign].name
    importer = chain[foreign - 1]
    through = "" if foreign == 1 else f"{importer.shown}, which "
    within = "" if len(chain) == foreign + 1 else f", in {chain[-1].name}"
    root = module.partition(".")[0]
    advice = remedy(module) or (
        f"If it does no I/O, import it through the sandbox, in {importer.shown}: `with "
        f"workflow.unsafe.imports_passed_through(): import {module}`; or for all files of the worker: "
        "Worker(workflow_runner=SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default."
        f"with_passthrough_modules({root!r}))). If it does, use it in an activity (`activity_as_tool`), or "
        "host the tool on the worker: StrandsPlugin(tools=...) and TemporalTools(name)"
    )
    return (
        f"{chain[0].shown} imports {through}"
        f"{'imports ' if through else ''}{module}, which the workflow sandbox cannot load. {advice}. "
        f"({error}{within})"
    )
