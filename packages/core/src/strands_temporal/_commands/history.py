"""`strands-temporal history`: what the agents of a workflow did, from Temporal's history."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import typer
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from ._app import run_async, settings
from ._chains import Chain, Run, fetch_chain, pending_activities, status_name
from ._history_text import history_lines
from ._other_steps import Step
from ._output import say, say_json
from ._payloads import PayloadReader
from ._run_events import RunEvents, when
from ._settings import CommandError
from ._steps import RunSteps

_PENDING_QUERY = "pending_approvals"
"""Query of `strands_temporal_hitl` for the open questions."""

_PENDING_ATTRIBUTE = "StrandsApprovals"
"""Search attribute that a workflow has while it waits for people."""


def history(
    ctx: typer.Context,
    workflow_id: Annotated[str, typer.Argument(metavar="WORKFLOW_ID", help="The workflow.")],
    run_id: Annotated[
        str | None, typer.Option("--run-id", metavar="ID", help="Show this run only; all runs by default.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Do not shorten texts, arguments and results.")
    ] = False,
) -> None:
    """Show what the agents of a workflow did: turns, model calls, tools, questions, sizes.

    Reads Temporal's history, so it needs no worker, and works on a finished workflow as well.
    """
    options = settings(ctx)

    async def show() -> dict[str, Any]:
        client = await options.connect()
        try:
            chain = await fetch_chain(client, workflow_id, run_id)
        except RPCError as error:
            raise _not_read(client, workflow_id, run_id, error) from error
        return await described(client, workflow_id, chain, timedelta(seconds=options.timeout))

    found = run_async(show())
    if options.json:
        say_json(found)
        return
    for line in history_lines(found, full=full):
        say(line)


async def asked_calls(client: Client, workflow_id: str) -> list[dict[str, Any]]:
    """Return the calls that the models of a workflow asked for, as `Settings.tool_calls` does."""
    try:
        chain = await fetch_chain(client, workflow_id, None)
    except RPCError as error:
        raise _not_read(client, workflow_id, None, error) from error
    reader = PayloadReader(client.data_converter)
    calls: list[dict[str, Any]] = []
    for run in chain.runs:
        events = RunEvents(run, reader, client.data_converter)
        await events.read()
        for step in RunSteps(events, {}).steps():
            asked = step.get("tool_calls", ()) if step["kind"] == "model" else ()
            calls += [
                {"agent": step.get("agent"), "tool": c["tool"], "arguments": c["arguments"]} for c in asked
            ]
    return calls


async def described(client: Client, workflow_id: str, chain: Chain, timeout: timedelta) -> dict[str, Any]:
    """Return all that the command shows, as JSON values.

    Args:
        client: The client; its data converter reads the payloads.
        workflow_id: The workflow.
        chain: Its runs.
        timeout: How long the workflow may take to tell its open questions.
    """
    reader = PayloadReader(client.data_converter)
    pending = pending_activities(chain.description)
    runs: list[dict[str, Any]] = []
    for run in chain.runs:
        events = RunEvents(run, reader, client.data_converter)
        await events.read()
        last = run.run_id == chain.description.run_id
        runs.append(_run(run, RunSteps(events, pending if last else {}).steps()))
    _note_handed_over(runs)
    description = chain.description
    shown: dict[str, Any] = {
        "workflow_id": workflow_id,
        "workflow_type": description.workflow_type,
        "namespace": client.namespace,
        "task_queue": description.task_queue,
        "status": status_name(description.status),
        "totals": _totals(runs),
        "runs": runs,
        "missing": f"the runs up to {chain.gone}: the server has deleted them" if chain.gone else None,
        "unreadable": reader.faults(),
    }
    if task := _stuck_task(description):
        shown["workflow_task"] = task
    if _waits_for_people(description):
        shown["open_questions"], shown["open_questions_problem"] = await _open_questions(
            client, description, timeout
        )
    return {name: value for name, value in shown.items() if value is not None}


def _run(run: Run, steps: Sequence[Step]) -> dict[str, Any]:
    end = next((step for step in reversed(steps) if step["kind"] == "end"), None)
    started = when(run.events[0].event_time)
    latest = when(run.events[-1].event_time)
    return {
        "run_id": run.run_id,
        "started": started.isoformat(),
        "latest_event": latest.isoformat(),
        "status": end["status"] if end else "running",
        "seconds": (latest - started).total_seconds(),
        "events": len(run.events),
        "bytes": run.size,
        "steps": list(steps),
    }


def _note_handed_over(runs: Sequence[dict[str, Any]]) -> None:
    """Mark the turns that began in an earlier run: a turn may be handed over by continue-as-new."""
    latest: dict[Any, int] = {}
    for run in runs:
        for step in run["steps"]:
            if step["kind"] == "turn":
                agent = step.get("agent") or step["agent_number"]
                if latest.get(agent) == step["turn"] and "prompt" not in step:
                    step["goes_on"] = True
                latest[agent] = step["turn"]


def _totals(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    steps = [step for run in runs for step in run["steps"]]
    models = [step for step in steps if step["kind"] == "model"]
    tools = [step for step in steps if step["kind"] == "tool"]
    sized = [step for step in steps if "input_bytes" in step or "result_bytes" in step]
    largest = max(sized, key=_largest_value, default=None)
    return {
        "runs": len(runs),
        "turns": sum(step["kind"] == "turn" and "goes_on" not in step for step in steps),
        "model_calls": len(models),
        "tool_calls": len(tools),
        "failed_attempts": sum(map(_failed_attempts, steps)),
        "questions": sum(step.get("status") == "question" for step in tools),
        "decisions": sum(step["kind"] == "decision" for step in steps),
        "input_tokens": sum(step.get("input_tokens") or 0 for step in models),
        "output_tokens": sum(step.get("output_tokens") or 0 for step in models),
        "model_seconds": round(sum(step.get("seconds", 0.0) for step in models), 3),
        "tool_seconds": round(sum(step.get("seconds", 0.0) for step in tools), 3),
        "events": sum(run["events"] for run in runs),
        "bytes": sum(run["bytes"] for run in runs),
        "largest_value": None
        if largest is None
        else {"bytes": _largest_value(largest), "event": largest["event"]},
    }


def _failed_attempts(step: Step) -> int:
    """Return how many attempts of a call failed. A pause for a question is no failure."""
    return step.get("attempts", 1) - int(step.get("status") not in ("failed", "timed out"))


def _largest_value(step: Step) -> int:
    return max(step.get("input_bytes", 0), step.get("result_bytes", 0))


def _stuck_task(description: WorkflowExecutionDescription) -> dict[str, Any] | None:
    """Return the workflow task that fails again and again; None if there is none."""
    raw = description.raw_description
    if not raw.HasField("pending_workflow_task") or raw.pending_workflow_task.attempt <= 1:
        return None
    return {"attempt": raw.pending_workflow_task.attempt}


def _waits_for_people(description: WorkflowExecutionDescription) -> bool:
    fields = description.raw_description.workflow_execution_info.search_attributes.indexed_fields
    running = description.status is WorkflowExecutionStatus.RUNNING
    return running and _PENDING_ATTRIBUTE in fields


async def _open_questions(
    client: Client, description: WorkflowExecutionDescription, timeout: timedelta
) -> tuple[Any, str | None]:
    """Return the open questions, which only the workflow knows, or why it did not tell them."""
    handle = client.get_workflow_handle(description.id, run_id=description.run_id)
    try:
        return await handle.query(_PENDING_QUERY, rpc_timeout=timeout), None
    except (RPCError, asyncio.TimeoutError) as error:
        return None, f"the workflow did not tell them: {error or type(error).__name__}. Does a worker run?"
    except Exception as error:  # noqa: BLE001  # the user's converter or query handler may raise anything
        return None, f"the workflow did not tell them: {error}"


def _not_read(client: Client, workflow_id: str, run_id: str | None, error: RPCError) -> CommandError:
    if error.status is RPCStatusCode.NOT_FOUND:
        run = f" run {run_id!r} of" if run_id else ""
        return CommandError(
            f"There is no{run} workflow {workflow_id!r} in the namespace {client.namespace!r}, or the server "
            "has deleted its history. `temporal workflow list` shows what there is"
        )
    return CommandError(f"The history of {workflow_id!r} cannot be read: {error.message}")
