"""The workflow sandbox: what passes through it, the runners that each plugin prepares, and imports in it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.worker import ReplayerConfig, UnsandboxedWorkflowRunner, WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from . import strands_tools
from .eviction import tracked

TConfig = TypeVar("TConfig", WorkerConfig, ReplayerConfig)

PASSTHROUGH_MODULES = (
    "strands",  # its loop runs in the workflow; a reload per workflow would cost a second
    "strands_temporal",  # shares Strands' classes, and changes its clock and ids in one place
    # The siblings, for the same reason: a workflow may use their classes with only core's plugin registered.
    "strands_temporal_mcp",
    "strands_temporal_streaming",
    "strands_temporal_otel",
    "strands_temporal_hitl",
    "mcp",  # imported by strands.tools.mcp, and registers types at import
    "mcp_types",  # the same, where mcp keeps its types in a package of their own
    "opentelemetry",  # Strands opens spans in the loop; its context must be the exporter's
    "botocore",  # imported by strands.models.bedrock, which `import strands` loads; reads files at import
    "boto3",  # the same
    "docstring_parser",  # Strands reads tool docstrings with it, lazily
    "strands_harness",  # the factory, tools and plugins of its agents; adapted in one place (harness.py)
    "pydantic_monty",  # imported by strands_harness; an extension module
    "jsonschema",  # Strands validates tool specs with it, lazily
    "pytest",  # in test modules; a reload costs most of a second for each workflow, and each replay
    "_pytest",  # the same: each test module imports it for its assertions
    *strands_tools.PASSTHROUGH_MODULES,
)
"""Modules that every plugin passes through the workflow sandbox, each with its reason. Temporal adds pydantic
and the standard library."""


def passing_through(modules: Sequence[str], runner: WorkflowRunner | None) -> WorkflowRunner:
    """Return the runner to use. It tracks the workflow instances that it creates (`eviction.py`).

    If it has a sandbox, it passes `PASSTHROUGH_MODULES` and `modules` through.

    Args:
        modules: Further modules to pass through.
        runner: The user's runner; None for a `SandboxedWorkflowRunner`.
    """
    runner = tracked(runner or SandboxedWorkflowRunner())
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner
    passed = runner.restrictions.with_passthrough_modules(*PASSTHROUGH_MODULES, *modules)
    return dataclasses.replace(runner, restrictions=passed)


def track_unsandboxed(config: TConfig) -> TConfig:
    """Track the runner of `@workflow.defn(sandboxed=False)`, which no argument of `SimplePlugin` reaches."""
    runner = config.get("unsandboxed_workflow_runner") or UnsandboxedWorkflowRunner()
    config["unsandboxed_workflow_runner"] = tracked(runner)
    return config


def import_again(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a module as the workflow's own sandbox has it: with the sandbox's own module.

    Temporal does this with workflow classes when it makes an instance. Such a module may do at import what a
    running workflow may not, so this import is free as well. In the sandbox the script of the process is the
    module `__temporal_main__` (temporalio 1.35: worker/workflow_sandbox/_importer.py:246).

    Args:
        function: A function, or another object that its module and qualified name lead to.

    Raises:
        Exception: Whatever the module raises when it is imported.
    """
    if not workflow.unsafe.in_sandbox():
        return function
    module = function.__module__
    names = function.__qualname__.split(".")
    with (
        workflow.unsafe.sandbox_unrestricted(),
        workflow.unsafe.sandbox_import_notification_policy(workflow.SandboxImportNotificationPolicy.SILENT),
    ):
        found: Any = __import__("__temporal_main__" if module == "__main__" else module, fromlist=[names[0]])
    for name in names:
        found = getattr(found, name)
    return found
