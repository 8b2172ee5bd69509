"""Runs the child workflow of a tool call, and cancels it with the call."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strands import ToolContext
from temporalio import workflow
from temporalio.exceptions import ChildWorkflowError
from temporalio.workflow import ChildWorkflowHandle

from .._errors import AgentCancelledError
from .._upstream.run_local import run_local
from .._upstream.sync_calls import may_wait
from .._upstream.teardown import check_not_torn_down
from .activities import check_in_workflow, wait_or_cancel
from .agent_watch import tool_call_summary
from .child_options import ChildWorkflowOptions
from .gate import Gate
from .idempotency import idempotency_key

_LONGEST_ID = 1000  # bytes: the server's default limit for a workflow's id


async def run_child(
    workflow_type: str,
    args: Sequence[Any],
    options: ChildWorkflowOptions,
    context: "ToolContext[Any]",
    given: Mapping[str, Any],
    *,
    started: Callable[[ChildWorkflowHandle[Any, Any]], None] | None = None,
) -> Any:
    """Run the child workflow that answers a tool call, and return its result as JSON values.

    Args:
        workflow_type: Workflow type.
        args: The workflow's arguments.
        options: Checked options of the child.
        context: The call, as Strands gives it to a tool.
        given: The tool's validated arguments, which are part of the child's id.
        started: Is called when the child has started.

    Raises:
        PayloadTooLargeError: If the input is too large for Temporal. Nothing is started.
        AgentCancelledError: If the call's cancel signal was set before the child returned a result.
        asyncio.CancelledError: If the calling workflow was cancelled.
        ChildWorkflowError: If the child failed, timed out, was cancelled or was terminated.
        WorkflowAlreadyStartedError: If a workflow with the child's id runs.
        SynchronousCallError: Inside a synchronous call of Strands, such as `agent.tool.name()`.
        RuntimeError: Outside of a workflow.
    """
    what = f"the child workflow {workflow_type!r}"
    check_not_torn_down()
    check_in_workflow(workflow_type)
    await may_wait(what)
    signal = context.cancel_signal
    if signal.is_set():
        raise AgentCancelledError
    await run_local(Gate).enter(f"Child workflow {workflow_type!r}", args)
    chosen: Any = {
        "id": _child_id(context, given),
        "static_summary": tool_call_summary(context.agent, context.tool_use),
        **options,
    }
    starting = asyncio.create_task(workflow.start_child_workflow(workflow_type, args=args, **chosen))
    by_signal = await wait_or_cancel(starting, signal)
    try:
        handle = starting.result()
        if started is not None:
            started(handle)
        by_signal = await wait_or_cancel(handle, signal) or by_signal
        return handle.result()
    except (ChildWorkflowError, asyncio.CancelledError) as error:
        if by_signal:
            raise AgentCancelledError from error
        raise


def _child_id(context: "ToolContext[Any]", given: Mapping[str, Any]) -> str:
    """Return a workflow id that differs for each call, each run of the caller and each reset of it."""
    info, name = workflow.info(), context.tool_use["name"]
    digest = hashlib.sha256(f"{info.run_id} {idempotency_key(context, given)}".encode()).hexdigest()[:16]
    whole = f"{info.workflow_id}/{name}/{digest}"
    return whole if len(whole.encode()) <= _LONGEST_ID else f"{name}/{digest}"
