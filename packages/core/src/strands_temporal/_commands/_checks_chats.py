"""The checks of `strands-temporal doctor` of running conversations: sizes, and what stands still."""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from ._chains import Run
from ._checks import GIVE_CONVERTER, Finding, not_told
from ._payloads import PayloadReader
from ._run_events import RunEvents
from ._texts import query_string, size_text

WARN_BYTES, MOST_BYTES = 10 * 1024 * 1024, 50 * 1024 * 1024
WARN_EVENTS, MOST_EVENTS = 10_240, 51_200
"""Where Temporal warns of a history by default, and where it ends the workflow."""

_SHOWN = 5  # largest conversations
_READ = 3  # of these, histories to read
_AT_ONCE = 10
_STUCK = 3  # attempts


async def running(client: Client, task_queues: Sequence[str], limit: int) -> list[WorkflowExecution]:
    """Return the latest running workflows of these task queues; of all, if there is none."""
    query = "ExecutionStatus = 'Running'"
    if task_queues:
        query += f" AND TaskQueue IN ({', '.join(map(query_string, task_queues))})"
    return [workflow async for workflow in client.list_workflows(query, limit=limit)]


async def check_chats(
    client: Client, workflows: Sequence[WorkflowExecution], limit: int, value_limit: int
) -> list[Finding]:
    """Check the running workflows.

    Args:
        client: The client.
        workflows: The latest running workflows.
        limit: How many were asked for.
        value_limit: How many bytes one value may have.
    """
    at_once = asyncio.Semaphore(_AT_ONCE)
    answers = await asyncio.gather(*(_describe(client, w, at_once) for w in workflows))
    described = [each for each in answers if isinstance(each, WorkflowExecutionDescription)]
    refused = [each for each in answers if isinstance(each, Finding)]
    if not described:
        return refused[:_SHOWN] or [Finding("ok", "conversations", "none runs")]
    described.sort(key=_bytes, reverse=True)
    more = f" (the latest {limit}; --limit looks at more)" if len(workflows) >= limit else ""
    found = [
        Finding("ok", "conversations", f"{len(described)} running{more}", facts={"running": len(described)}),
        *refused[:_SHOWN],
    ]
    found += map(history_size, described[:_SHOWN])
    for each in described:
        found += standing_still(each)
    reader = PayloadReader(client.data_converter)
    for each in described[:_READ]:
        found += await _values(client, each, reader, value_limit)
    return [*found, *_readable(reader)]


async def _describe(
    client: Client, workflow: WorkflowExecution, at_once: asyncio.Semaphore
) -> WorkflowExecutionDescription | Finding | None:
    async with at_once:
        try:
            return await client.get_workflow_handle(workflow.id, run_id=workflow.run_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            return not_told(f"workflow {workflow.id}", "what it does", error)


def _bytes(description: WorkflowExecutionDescription) -> int:
    return description.raw_description.workflow_execution_info.history_size_bytes


def history_size(description: WorkflowExecutionDescription) -> Finding:
    """Check the size of a history."""
    size, events = _bytes(description), description.history_length
    subject = f"history of {description.id}"
    text = f"{size_text(size)}, {events:,} events ({description.workflow_type})"
    facts = {"workflow_id": description.id, "bytes": size, "events": events}
    if size > WARN_BYTES or events > WARN_EVENTS:
        left = max(size / MOST_BYTES, events / MOST_EVENTS)
        todo = (
            f"It has used {left:.0%} of what Temporal allows by default, then it is ended. Continue as "
            "new when workflow.info().is_continue_as_new_suggested() (docs/long-chats.md)"
        )
        return Finding("problem", subject, text, todo, facts)
    return Finding("ok", subject, text, facts=facts)


def standing_still(description: WorkflowExecutionDescription) -> list[Finding]:
    """Look for a workflow task and activities that fail again and again."""
    raw = description.raw_description
    found: list[Finding] = []
    subject = f"workflow {description.id}"
    task = raw.pending_workflow_task
    if raw.HasField("pending_workflow_task") and task.attempt >= _STUCK:
        todo = (
            f"`strands-temporal history {description.id}` shows the first failure. If it is a "
            "NondeterminismError, deploy the old code again, or patch (docs/roll-out.md)"
        )
        facts: dict[str, Any] = {"workflow_id": description.id, "attempt": task.attempt}
        found.append(
            Finding("problem", subject, f"its workflow task fails, attempt {task.attempt}", todo, facts)
        )
    for each in raw.pending_activities:
        if each.attempt >= _STUCK and each.HasField("last_failure"):
            failure = each.last_failure
            kind = failure.application_failure_info.type or "failure"
            text = f"{each.activity_type.name} fails, attempt {each.attempt}: {kind}: {failure.message}"
            facts = {
                "workflow_id": description.id,
                "activity": each.activity_type.name,
                "attempt": each.attempt,
            }
            todo = "Mend the cause on the worker: Temporal goes on trying (docs/troubleshooting.md)"
            found.append(Finding("problem", subject, text, todo, facts))
    return found


async def _values(
    client: Client, description: WorkflowExecutionDescription, reader: PayloadReader, value_limit: int
) -> list[Finding]:
    """Look for large values in a history, and read it."""
    handle = client.get_workflow_handle(description.id, run_id=description.run_id)
    try:
        events = [event async for event in handle.fetch_history_events()]
    except RPCError as error:
        return [not_told(f"values of {description.id}", "its history", error)]
    read = RunEvents(Run(description.run_id, events), reader, client.data_converter)
    await read.read()
    sizes = [(size, event.id, event.name) for event in read for size in event.sizes.values()]
    size, number, name = max(sizes, default=(0, 0, ""))
    subject = f"values of {description.id}"
    text = f"the largest has {size_text(size)} (event {number}, {name.replace('_', ' ')})"
    facts = {"workflow_id": description.id, "bytes": size, "event": number}
    if size > value_limit // 2:
        todo = f"One value has at most {size_text(value_limit)}. Keep large data outside (docs/sizes.md)"
        return [Finding("problem", subject, text, todo, facts)]
    return [Finding("ok", subject, text, facts=facts)] if size else []


def _readable(reader: PayloadReader) -> list[Finding]:
    subject = "converters"
    faults = reader.faults()
    if not faults and not reader.read_values:
        return []
    if not faults:
        return [
            Finding("ok", subject, f"this command reads all {reader.read_values} values of these histories")
        ]
    first = faults[0]
    unread = sum(fault["values"] for fault in faults)
    text = (
        f"this command cannot read {unread} of {unread + reader.read_values} values of these histories: "
        f"{first['encoding']} ({first['error']})"
    )
    return [Finding("problem", subject, text, GIVE_CONVERTER, {"unreadable": faults})]
