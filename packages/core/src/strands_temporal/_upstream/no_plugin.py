"""Names the missing plugin when a Worker cannot load the file of a workflow with agents.

Without `StrandsPlugin` the sandbox imports Strands again, which fails deep inside Strands' imports (1.62).
Temporal then says "Failed validating workflow" below hundreds of lines that never name the plugin. No plugin
of ours runs on such a Worker, so this module changes temporalio's runner (1.35: workflow_sandbox/_runner.py).
"""

import functools
import traceback
from collections.abc import Callable
from typing import Any

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

_NEED_THE_PLUGIN = ("strands", "strands_temporal")
"""Packages that a plugin of ours lets through the sandbox. Each sibling imports both."""

_EXPLAINS = "__strands_temporal_explains__"


def explain_missing_plugin() -> None:
    """Have each `SandboxedWorkflowRunner` raise `MissingPluginError` where that is the reason. Idempotent."""
    prepare: Any = SandboxedWorkflowRunner.prepare_workflow
    if not hasattr(prepare, _EXPLAINS):
        SandboxedWorkflowRunner.prepare_workflow = _explaining(prepare)  # pyright: ignore[reportAttributeAccessIssue]


def _explaining(prepare: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(prepare)
    def prepare_workflow(self: SandboxedWorkflowRunner, defn: Any) -> None:
        try:
            prepare(self, defn)
        except Exception as error:
            if "strands_temporal" in self.restrictions.passthrough_modules or not _was_importing_us(error):
                raise
            from .._errors import MissingPluginError  # not before it is needed: this module is always loaded

            raise MissingPluginError(f"Workflow {defn.name!r} ({defn.cls.__module__})") from None

    setattr(prepare_workflow, _EXPLAINS, True)
    return prepare_workflow


def _was_importing_us(error: BaseException) -> bool:
    """Tell whether the sandbox was importing Strands or this package when `error` was raised."""
    return any(
        frame.f_code.co_name == "<module>"
        and str(frame.f_globals.get("__name__")).partition(".")[0] in _NEED_THE_PLUGIN
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )
