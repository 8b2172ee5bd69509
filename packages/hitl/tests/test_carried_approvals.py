"""Approvals over continue-as-new: questions and decisions carry over to the next run."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import (
    BY,
    Setting,
    chain,
    deletes,
    deletes_two,
    refused,
    until,
)
from packages.hitl.tests.carried_support import LongTask, LongWorkflow, hand_over, is_settled, next_run
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.update.v1 import UpdateRef
from temporalio.api.workflowservice.v1 import PollWorkflowExecutionUpdateRequest
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowHistory,
    WorkflowUpdateStage,
)
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError, RPCStatusCode

from strands_temporal_hitl import Decision
from strands_temporal_hitl._workflows import ListedWorkflow

pytestmark = pytest.mark.server

LONG: dict[str, Any] = {"workflows": [LongWorkflow]}


async def pause(s: Setting, deadline: float | None = None, **options: Any) -> tuple[Any, Any]:
    handle, notice = await s.pause(LongTask(deadline=deadline), workflow_class=LongWorkflow, **options)
    return handle, notice.pending


def names(history: WorkflowHistory) -> list[str]:
    return [EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in history.events]


async def listed(s: Setting, handle: Any) -> Any:
    return [found for found in await s.approver.list() if found.workflow_id == handle.id]


# --- A pause goes on


async def test_a_pause_goes_on_in_the_next_runs_and_is_found_there(setting: Any) -> None:
    model = deletes()
    async with setting(model, **LONG) as s:
        handle, pending = await pause(s, 3600)
        for _ in range(2):
            await hand_over(handle)
            assert await s.approver.pending(handle.id) == pending
            (found,) = await until(lambda: listed(s, handle), lambda found: found)
            assert (found.pending, found.problem) == (pending, None)
        record = await s.approver.approve(handle.id, pending[0], by=BY)
        result = await s.end(handle)
        assert await until(lambda: listed(s, handle), lambda found: not found) == []
        first, second, third = await chain(handle)
    assert result["text"] == "deleted /etc/passwd"
    assert [(r["outcome"], r["by"], r["asked_at"]) for r in result["records"]] == [
        ("approved", BY, pending[0].asked_at)
    ]
    assert record.digest == pending[0].digest
    assert len(model.calls) == 2  # the call that asked for the tool was made once
    assert s.told.notices.empty()  # nobody is notified twice
    marks = [names(history).count("UPSERT_WORKFLOW_SEARCH_ATTRIBUTES") for history in (first, second, third)]
    assert marks == [1, 0, 1]


async def test_a_partly_answered_set_goes_on_with_what_is_open(setting: Any) -> None:
    async with setting(deletes_two(), **LONG) as s:
        handle, pending = await pause(s)
        first, second = sorted(pending, key=lambda p: p.arguments["path"])
        await s.approver.approve(handle.id, first, by=BY)
        await hand_over(handle)
        assert await s.approver.pending(handle.id) == [second]
        assert [r.outcome for r in await s.approver.records(handle.id)] == ["approved"]
        assert (await refused(s.approver.reject(handle.id, first, by="bo"))).kind == "AlreadyDecided"
        await s.approver.reject(handle.id, second, by="bo", reason="not b")
        result = await s.end(handle)
    assert result["text"] == "deleted /a\ndenied\nRejected: not b"
    assert [(r["outcome"], r["by"]) for r in result["records"]] == [("approved", BY), ("rejected", "bo")]


async def held(handle: Any) -> Any:
    """Let a workflow continue as new, and hold it there: what arrives now arrives between its two runs."""
    before = (await until(handle.describe, is_settled)).run_id
    holding = await handle.start_update("hold", wait_for_stage=WorkflowUpdateStage.ACCEPTED)
    await handle.signal("hand_over")
    return before, holding


async def test_what_is_decided_during_the_hand_over_is_applied_in_the_next_run(setting: Any) -> None:
    model = deletes_two()
    async with setting(model, **LONG) as s:
        handle, pending = await pause(s)
        before, holding = await held(handle)
        first, second = sorted(pending, key=lambda p: p.arguments["path"])
        await s.approver.reject(handle.id, first, by=BY, reason="not a")
        await s.approver.approve(handle.id, second, by="bo")
        assert len(model.calls) == 1  # nothing continues in the ending run
        await handle.signal("release")
        await next_run(handle, before)
        await holding.result()
        result = await s.end(handle)
        _, last = await chain(handle)
    assert result["text"] == "denied\nRejected: not a\ndeleted /b"
    assert [(r["outcome"], r["by"]) for r in result["records"]] == [("rejected", BY), ("approved", "bo")]
    assert "TIMER_STARTED" not in names(last)


def behind(found: Sequence[WorkflowExecutionDescription]) -> Any:
    """Return a stand-in for a server whose list is out of date: it lists the given workflows."""

    async def listing(client: Client, query: str) -> AsyncGenerator[ListedWorkflow]:
        for each in found:
            yield ListedWorkflow(each.id, each.run_id, each.workflow_type, each.start_time)

    return listing


async def test_a_list_that_is_behind_leads_to_the_run_that_waits(
    setting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with setting(deletes(), **LONG) as s:
        handle, pending = await pause(s)
        old = await handle.describe()
        await hand_over(handle)
        new = await handle.describe()
        for found in ([old], [old, new], [new, old]):
            monkeypatch.setattr("strands_temporal_hitl._client.open_workflows", behind(found))
            (waiting,) = await s.approver.list()
            assert (waiting.workflow_id, waiting.pending) == (handle.id, pending)
            assert waiting.run_id == found[-1 if found[0] is old else 0].run_id
        await handle.terminate()


# --- Deadlines


async def test_the_next_run_keeps_the_deadline(setting: Any) -> None:
    async with setting(deletes(), **LONG) as s:
        handle, (pending,) = await pause(s, 8)
        await hand_over(handle)
        assert (await s.approver.pending(handle.id)) == [pending]
        result = await s.end(handle)
        _, last = await chain(handle)
    deadline = datetime.fromisoformat(pending.deadline)
    assert result["text"] == "denied\nRejected: Nobody decided in time"
    (record,) = result["records"]
    assert record["outcome"] == "expired"
    assert datetime.fromisoformat(record["at"]) >= deadline
    (timer,) = [event for event in last.events if event.HasField("timer_started_event_attributes")]
    wait = timer.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
    began = last.events[0].event_time.ToDatetime(deadline.tzinfo)
    assert wait < timedelta(seconds=8)
    assert began < deadline - wait < began + timedelta(seconds=2)


async def test_a_deadline_that_passes_between_two_runs_rejects(setting: Any) -> None:
    async with setting(deletes(), **LONG) as s:
        handle, (pending,) = await pause(s, 6)
        before, holding = await held(handle)

        unseen = replace(pending, digest="sha256:0")  # this digest would be refused in any case
        found = await until(
            lambda: refused(s.approver.approve(handle.id, unseen, by=BY)),
            lambda error: error.kind == "PastDeadline",
        )
        assert "passed at" in str(found)
        await handle.signal("release")
        await next_run(handle, before)
        await holding.result()
        result = await s.end(handle)
        _, last = await chain(handle)
    assert result["text"] == "denied\nRejected: Nobody decided in time"
    assert [(r["outcome"], r["by"]) for r in result["records"]] == [("expired", "")]
    # The answer came at once, and nobody was notified of the expired question.
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in last.events]
    assert "TIMER_STARTED" not in names(last)
    assert "hitl-setup" not in scheduled


# --- Decisions in transit


class Holding(PayloadCodec):
    """A codec that changes nothing. It holds the workflow task that ends a run, so the run stays closing."""

    def __init__(self) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        if any(b'"approvals":{' in payload.data for payload in payloads):
            self.reached.set()
            await self.go.wait()
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


async def test_a_decision_in_the_moment_of_the_hand_over_is_not_lost(setting: Any, client: Client) -> None:
    holding = Holding()
    holder = SimplePlugin(
        "holder", data_converter=lambda given: replace(given or DataConverter(), payload_codec=holding)
    )
    async with setting(deletes(), more_plugins=[holder], **LONG) as s:
        # With the default of ten seconds, the held task would time out, and be repeated with the decision in
        # it.
        handle, (pending,) = await pause(s, task_timeout=timedelta(seconds=60))
        await until(handle.describe, is_settled)
        await handle.signal("hand_over")
        await asyncio.wait_for(holding.reached.wait(), 30)
        decision = Decision(pending.id, "approve", BY)
        deciding = asyncio.create_task(s.approver.decide(handle.id, decision, update_id="moment"))
        await until(lambda: is_admitted(client, handle.id, "moment"), bool)
        holding.go.set()
        record = await deciding
        result = await s.end(handle)
        _, last = await chain(handle)
    assert "WORKFLOW_EXECUTION_UPDATE_ACCEPTED" in names(last)  # the closing run did not count it
    assert result["text"] == "deleted /etc/passwd"
    assert result["records"] == [asdict(record)]
    assert record.update_id == "moment"


async def is_admitted(client: Client, workflow_id: str, update_id: str) -> bool:
    """Tell whether the server has admitted an update that the workflow has not seen yet."""
    request = PollWorkflowExecutionUpdateRequest(namespace=client.namespace)
    request.update_ref.CopyFrom(UpdateRef(update_id=update_id))
    request.update_ref.workflow_execution.workflow_id = workflow_id
    try:
        await client.workflow_service.poll_workflow_execution_update(request, retry=True)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
