"""Options of child workflows that are tools: checked when the tool is made."""

from collections.abc import Mapping
from typing import Any, cast

from temporalio.common import Priority, RetryPolicy, WorkflowIDReusePolicy
from temporalio.workflow import (
    ChildWorkflowCancellationType,
    ChildWorkflowConfig,
    ParentClosePolicy,
    VersioningIntent,
)

from .._errors import AgentValueError
from .options import check_option

ChildWorkflowOptions = ChildWorkflowConfig
"""Options of the child workflow behind a tool: the keys of `temporalio.workflow.ChildWorkflowConfig`.

`cron_schedule` is refused: such a workflow never returns a result.
"""

_KNOWN = frozenset(ChildWorkflowConfig.__annotations__)
_TYPES: dict[str, type[Any]] = {
    "cancellation_type": ChildWorkflowCancellationType,
    "id": str,
    "id_reuse_policy": WorkflowIDReusePolicy,
    "parent_close_policy": ParentClosePolicy,
    "priority": Priority,
    "retry_policy": RetryPolicy,
    "static_details": str,
    "static_summary": str,
    "task_queue": str,
    "versioning_intent": VersioningIntent,
}
_DURATIONS = ("execution_timeout", "run_timeout", "task_timeout")
_STARTS_AGAIN = (WorkflowIDReusePolicy.ALLOW_DUPLICATE, WorkflowIDReusePolicy.TERMINATE_IF_RUNNING)


def child_options(owner: str, given: Mapping[str, Any], *, starts_again: bool) -> ChildWorkflowOptions:
    """Check the options of a child workflow, and return those that are not None.

    Args:
        owner: Name of the tool, for messages: "child_workflow(Research)".
        given: The options as the user gave them.
        starts_again: Whether a child that paused is started again under its id.

    Raises:
        AgentTypeError: If an option is unknown or of a wrong type.
        AgentValueError: If an option has a value that cannot work.
    """
    options = {name: value for name, value in given.items() if value is not None}
    for name, value in options.items():
        _check(owner, name, value)
    policy = options.get("id_reuse_policy", WorkflowIDReusePolicy.ALLOW_DUPLICATE)
    if starts_again and policy not in _STARTS_AGAIN:
        raise AgentValueError(
            f"{owner}: id_reuse_policy={policy.name} cannot be used: after an interrupt the child is started "
            "again under its id, to take the answer. Leave it out"
        )
    return cast("ChildWorkflowOptions", options)


def _check(owner: str, name: str, value: Any) -> None:
    if name == "cron_schedule":
        raise AgentValueError(
            f"{owner}: cron_schedule={value!r} cannot be used: a tool's child workflow must return a result. "
            "Start a workflow with a schedule from your own code"
        )
    check_option(owner, name, value, _KNOWN - {"cron_schedule"}, _TYPES, _DURATIONS, unit="minutes")
    if name in ("id", "task_queue") and not value:
        raise AgentValueError(f"{owner}: {name} is empty. Leave it out for the default")
