"""The audit chain of workflows on a server: over runs, exported, verified, with gaps, after resets."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.commands.commanding import Done, command
from packages.hitl.tests.approvals_support import SilentWorkflow, until
from packages.hitl.tests.carried_support import hand_over
from packages.hitl.tests.policy_support import Desk, DeskWorkflow, policy, refund, refunds
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyType
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
)
from temporalio.client import Client

from strands_temporal_hitl import ApprovalsClient

pytestmark = pytest.mark.server


async def export(client: Client, id_: str, *more: str, timeout: str = "30") -> Done:
    query = f"WorkflowId = '{id_}'"
    return await command(client, "approvals", "export", "--query", query, "--timeout", timeout, *more)


async def verify(client: Client, *arguments: str) -> Done:
    return await command(client, "approvals", "verify", *arguments)


async def decided_in_the_second_run(s: Any) -> Any:
    """A refund that the policy lets run, one that a person approves in a second run."""
    handle, notice = await s.pause(Desk(policy()), workflow_class=DeskWorkflow)
    await hand_over(handle)
    (pending,) = notice.pending
    await s.approver.approve(handle.id, pending, by="ana", reason="known customer")
    await s.end(handle)
    return handle


KINDS = [
    ("asked", None),
    ("decided", "small"),
    ("told", None),
    ("decided", None),
]


async def test_the_chain_goes_over_runs_and_is_exported_and_verified(
    setting: Any, client: Client, tmp_path: Path
) -> None:
    file, heads = tmp_path / "audit.jsonl", tmp_path / "heads.json"
    async with setting(refunds(5, 200), workflows=[DeskWorkflow], activities=[refund]) as s:
        handle = await decided_in_the_second_run(s)
        trail = await s.approver.audit(handle.id)
        exported = await export(client, handle.id)
        file.write_text(exported.out)
        again = await export(client, handle.id, "--append", str(file))
    assert (exported.code, exported.err) == (0, "4 entries, 0 gaps\n")
    assert (again.code, again.out, again.err) == (0, "", "0 entries, 0 gaps\n")
    assert file.read_text() == exported.out
    assert trail.lines == exported.out.splitlines()
    assert trail.gaps == []
    assert [(e.kind, e.data.get("rule")) for e in trail.entries] == KINDS
    assert len({e.run_id for e in trail.entries}) == 2
    asked, _, told, decided = trail.entries
    assert asked.data["arguments"] == {"amount": 200}
    assert (told.data["notifier"], told.data["questions"]) == ("test", [asked.id])
    assert (decided.id, decided.data["by"], decided.data["reason"]) == (asked.id, "ana", "known customer")
    whole = await verify(client, str(file), "--json")
    heads.write_text(whole.out)
    assert (whole.code, json.loads(whole.out)["heads"][0]["hash"]) == (0, trail.head.hash)
    lines = exported.out.splitlines(keepends=True)
    file.write_text("".join(lines[:2]) + lines[2].replace('"test"', '"none"') + lines[3])
    broken = await verify(client, str(file), "--head", str(heads))
    assert broken.code == 1
    assert broken.out.splitlines()[0].startswith(f"{file}:3: changed: entry 3 of")
    file.write_text("".join(lines[:3]))
    assert (await verify(client, str(file))).code == 0
    cut = await verify(client, str(file), "--head", str(heads))
    assert (cut.code, "cut off: the head is entry 4, and 3 is the last" in cut.out) == (1, True)


@pytest.mark.slow
async def test_runs_that_cannot_be_read_are_gaps(setting: Any, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    async with setting(refunds(5, 200), workflows=[DeskWorkflow, SilentWorkflow], activities=[refund]) as s:
        handle = await decided_in_the_second_run(s)
        silent = await s.env.start(SilentWorkflow.run)
        none = await export(client, silent.id)
        assert (none.code, none.out, none.err) == (0, "", "0 entries, 0 gaps\n")  # it has no approvals
        await silent.terminate()
        queue = s.env.task_queue
        workflows, plugins = s.env.workflows, s.env.plugins
    # Nobody answers.
    down = await export(client, handle.id, "--append", str(file), timeout="2")
    assert (down.code, down.err) == (2, "0 entries, 2 gaps\n")
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert [each["kind"] for each in told] == ["gap", "gap"]
    assert "No worker answered" in told[1]["reason"]
    assert "not asked" in told[0]["reason"]
    assert (await export(client, handle.id, "--append", str(file), timeout="2")).err == "0 entries, 2 gaps\n"
    assert len(file.read_text().splitlines()) == 2  # told once
    only_gaps = await verify(client, str(file))
    assert (only_gaps.code, "0 entries in 0 chains: 0 faults, 2 gaps" in only_gaps.out) == (2, True)
    # A worker comes back, while an export was killed in the midst of a line.
    with file.open("a") as out:
        out.write('{"format":1,"at')
    from temporalio.worker import Worker

    async with Worker(client, task_queue=queue, workflows=workflows, activities=[refund], plugins=plugins):
        back = await export(client, handle.id, "--append", str(file))
        assert (back.code, back.err.splitlines()[-1]) == (0, "4 entries, 0 gaps")
        assert "written in part" in back.err
        assert (await verify(client, str(file))).code == 0
        # The first run's history is deleted.
        first = handle.first_execution_run_id
        await client.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=first),
            )
        )
        approver = ApprovalsClient(client, timeout=timedelta(seconds=30))

        async def gaps() -> Any:
            return (await approver.audit(handle.id)).gaps

        (gap,) = await until(gaps, bool)
        assert gap.run_id == first
        file.unlink()
        lost = await export(client, handle.id, "--append", str(file))
    assert lost.code == 2
    found = await verify(client, str(file))
    assert (found.code, "0 faults, 1 gap" in found.out) == (2, True), found.out


@pytest.mark.slow
async def test_both_ways_of_a_reset_workflow_are_exported(
    setting: Any, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    async with setting(refunds(5, 200), workflows=[DeskWorkflow], activities=[refund]) as s:
        handle = await decided_in_the_second_run(s)
        description = await handle.describe()
        history = await client.get_workflow_handle(handle.id, run_id=description.run_id).fetch_history()
        first = next(
            e.event_id for e in history.events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        )
        await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=description.run_id),
                reason="test",
                request_id="reset",
                workflow_task_finish_event_id=first,
                reset_reapply_exclude_types=[],
                reset_reapply_type=ResetReapplyType.RESET_REAPPLY_TYPE_NONE,
            )
        )
        latest = client.get_workflow_handle(handle.id)

        async def waiting() -> Any:
            return await s.approver.pending(handle.id)

        (pending,) = await until(waiting, lambda found: len(found) == 1)
        await s.approver.reject(handle.id, pending, by="bob")
        await asyncio.wait_for(latest.result(), 30)
        exported = await export(client, handle.id, "--append", str(file))
        assert exported.code == 0, file.read_text()
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [e["data"]["by"] for e in entries if e["data"].get("by")] == ["bob", "ana"]
    found = await verify(client, str(file))
    assert (found.code, "was reset after entry" in found.out) == (0, True), found.out
