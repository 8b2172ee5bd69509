"""Which decisions count: refusals, early answers, deadlines."""

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from packages.core.tests.unprocessed import without_processing
from packages.hitl.tests.approvals_support import (
    BY,
    Gate,
    GatedWorkflow,
    approver_for,
    delete_file,
    deletes,
    deletes_two,
    echo,
    refused,
    until,
)
from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from strands_temporal import TemporalAgent
from strands_temporal.testing import (
    ScriptedCall,
    ScriptedModel,
    say,
    use_tool,
)
from strands_temporal_hitl import (
    ApprovalRecord,
    ApprovalRefusedError,
    Approvals,
    ApprovalsEndedError,
    PendingApproval,
    digest_of,
)

pytestmark = pytest.mark.server


# --- Refusals


async def test_a_decision_that_no_worker_looked_at_is_sent_again(setting: Any) -> None:
    async with setting(deletes()) as s:
        handle, notice = await s.pause()
        client, unprocessed = without_processing(s.env.client)
        record = await approver_for(client).approve(handle.id, notice.pending[0], by=BY)
        result = await s.end(handle)
    assert unprocessed.ids == [record.update_id] * 2
    assert (result["text"], result["records"]) == ("deleted /etc/passwd", [asdict(record)])


async def test_what_is_refused_says_why_and_leaves_no_trace(setting: Any) -> None:
    async with setting(deletes()) as s:
        handle, notice = await s.pause()
        (pending,) = notice.pending

        unknown = await refused(s.approver.approve(handle.id, "nothing", by=BY))
        assert unknown.kind == "UnknownApproval"
        assert str(unknown).startswith(f"No question with the id 'nothing' waits. Pending: ['{pending.id}']")
        nameless = await refused(s.approver.approve(handle.id, pending, by=" "))
        assert (nameless.kind, str(nameless)) == ("MalformedDecision", "Malformed decision: by is empty")
        other = PendingApproval(pending.id, "approval", digest="sha256:0")
        unseen = await refused(s.approver.approve(handle.id, other, by=BY))
        assert unseen.kind == "NotWhatWasSeen"
        for raw in (None, "yes", {}, {"id": pending.id, "verdict": "ok", "by": BY}, {"id": 7}):
            with pytest.raises(WorkflowUpdateFailedError) as caught:
                await handle.execute_update("decide_approval", raw)
            assert isinstance(caught.value.cause, ApplicationError)
            assert caught.value.cause.type == "MalformedDecision"
        events = (await handle.fetch_history()).events
        assert not [e for e in events if "UPDATE_ACCEPTED" in EventType.Name(e.event_type)]

        await s.approver.approve(handle.id, pending, by=BY)
        assert (await s.end(handle))["text"] == "deleted /etc/passwd"


async def test_a_second_decision_is_refused_and_names_the_first(setting: Any) -> None:
    async with setting(deletes_two()) as s:
        handle, notice = await s.pause()
        first, second = notice.pending
        await s.approver.reject(handle.id, first, by=BY)
        again = await refused(s.approver.approve(handle.id, first, by="mallory"))
        assert again.kind == "AlreadyDecided"
        assert f"is already rejected by {BY}" in str(again)
        await s.approver.approve(handle.id, second, by=BY)
        result = await s.end(handle)
    assert "mallory" not in str(result)
    assert sorted(r["outcome"] for r in result["records"]) == ["approved", "rejected"]


async def test_of_decisions_that_race_one_wins(setting: Any) -> None:
    async with setting(deletes_two()) as s:
        handle, notice = await s.pause()
        first, second = notice.pending
        racing = [s.approver.approve(handle.id, first, by=f"person {i}") for i in range(5)]
        outcomes = await asyncio.gather(*racing, return_exceptions=True)
        assert sum(isinstance(outcome, ApprovalRecord) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, ApprovalRefusedError) for outcome in outcomes) == 4
        await s.approver.approve(handle.id, second, by=BY)
        assert len((await s.end(handle))["records"]) == 2


async def test_an_approval_is_good_for_one_question_only(setting: Any) -> None:
    """A tool that raises at every call asks again each time. An earlier yes must not count again."""
    model = ScriptedModel(use_tool("always_asks", {"name": "x"}))
    async with setting(model) as s:
        handle, notice = await s.pause()
        assert notice.pending[0].id == "delete:x"
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        again = await s.told.next()
        assert again.pending[0].id == "delete:x#2"
        assert (await refused(s.approver.approve(handle.id, "delete:x", by=BY))).kind == "AlreadyDecided"
        await s.env.assert_replays(handle)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        await s.env.assert_replays(handle)
        records = await s.approver.records(handle.id)
        assert [(r.id, r.outcome) for r in records] == [("delete:x", "approved"), ("delete:x#2", "withdrawn")]


class HoldSetup(Interceptor):
    """Makes a worker's setup activity wait for the test."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        go = self.go

        class Held(ActivityInboundInterceptor):
            async def execute_activity(self, input: ExecuteActivityInput) -> Any:
                if activity.info().activity_type == "hitl-setup":
                    await go.wait()
                return await super().execute_activity(input)

        return Held(next)


async def test_a_decision_that_is_faster_than_the_worker_changes_nothing_in_what_is_asked_of_it(
    setting: Any,
) -> None:
    """A worker that takes over may see the decision and the setup activity's result in either order."""
    hold = HoldSetup()
    model = ScriptedModel(use_tool("always_asks", {"name": "x"}))
    async with setting(model, more_plugins=[SimplePlugin("hold", interceptors=[hold])]) as s:
        handle = await s.env.start(GatedWorkflow.run)
        for id_ in ("delete:x", "delete:x#2"):
            await until(lambda: s.approver.pending(handle.id), lambda found: [p.id for p in found] == [id_])  # noqa: B023
            await s.approver.approve(handle.id, id_, by=BY)
        hold.go.set()
        assert [p.id for p in (await s.told.next()).pending] == ["delete:x#3"]
        events = (await handle.fetch_history()).events
        scheduled = [e.activity_task_scheduled_event_attributes.activity_type.name for e in events]
        assert scheduled.count("hitl-setup") == 1
        await handle.terminate()
        await s.assert_replays(handle)


# --- Early answers


@pytest.mark.parametrize("fits", [True, False])
async def test_an_early_answer_is_kept_and_bound_to_what_it_was_given_for(setting: Any, fits: bool) -> None:
    go = asyncio.Event()
    model = ScriptedModel(use_tool("always_asks", {"name": "x"}).when(go.wait), echo)
    async with setting(model) as s:
        handle = await s.env.start(GatedWorkflow.run)
        digest = digest_of("always_asks", {"name": "x" if fits else "y"})
        seen = PendingApproval("delete:x", "approval", digest=digest)
        unasked = await refused(s.approver.approve(handle.id, seen, by=BY))
        assert "needs early=True" in str(unasked)
        record = await s.approver.approve(handle.id, seen, by=BY, early=True)
        assert record.early
        twice = await refused(s.approver.approve(handle.id, seen, by="bo", early=True))
        assert f"is already approved by {BY}" in str(twice)
        go.set()
        notice = await s.told.next()
        (used,) = await s.approver.records(handle.id)
        assert (used.outcome, used.early, used.by) == ("approved" if fits else "refused", True, BY)
        # The tool asks again, and the id of its next question shows whether the first one was answered.
        assert notice.pending[0].id == ("delete:x#2" if fits else "delete:x")
        await handle.terminate()
        await s.env.assert_replays(handle)


# --- Deadlines


async def test_a_deadline_rejects(setting: Any) -> None:
    model = deletes()
    async with setting(model) as s:
        handle, notice = await s.pause(1.0)
        assert notice.pending[0].deadline > notice.pending[0].asked_at
        result = await s.end(handle)
        with pytest.raises(ApprovalsEndedError, match="COMPLETED"):
            await s.approver.approve(handle.id, notice.pending[0], by=BY)
    assert result["text"] == "denied\nRejected: Nobody decided in time"
    (record,) = result["records"]
    assert (record["outcome"], record["by"], record["response"]) == ("expired", "", False)
    assert record["at"] >= notice.pending[0].deadline


async def test_at_the_deadline_what_was_decided_counts(setting: Any) -> None:
    model = deletes_two()
    async with setting(model) as s:
        handle, notice = await s.pause(2.0)
        first, _ = sorted(notice.pending, key=lambda p: p.arguments["path"])
        await s.approver.approve(handle.id, first, by=BY)
        result = await s.end(handle)
    assert result["text"] == "deleted /a\ndenied\nRejected: Nobody decided in time"
    assert [r["outcome"] for r in result["records"]] == ["approved", "expired"]


@workflow.defn
class LateWorkflow:
    """Asks again after a deadline, so that a late decision finds the workflow running."""

    def __init__(self) -> None:
        self.approvals = Approvals(deadline=timedelta(seconds=1))
        self.done = False

    @workflow.signal
    def end(self) -> None:
        self.done = True

    @workflow.run
    async def run(self) -> str:
        agent = TemporalAgent("model", hooks=[Gate()], tools=[delete_file], callback_handler=None)
        result = await self.approvals.run(agent, "go")
        await workflow.wait_condition(lambda: self.done)
        return str(result).strip()


async def test_a_late_decision_is_refused(setting: Any) -> None:
    second = asyncio.Event()

    def after(call: ScriptedCall) -> Any:
        second.set()
        return say(call.text)

    model = ScriptedModel(use_tool("delete_file", {"path": "/a"}), after)
    async with setting(model, workflows=[LateWorkflow]) as s:
        handle, notice = await s.pause(workflow_class=LateWorkflow)
        await asyncio.wait_for(second.wait(), 30)
        late = await refused(s.approver.approve(handle.id, notice.pending[0], by=BY))
        assert late.kind == "PastDeadline"
        assert "passed at" in str(late)
        await handle.signal(LateWorkflow.end)
        assert await s.end(handle) == "denied\nRejected: Nobody decided in time"


# --- Too large to send


async def test_of_a_very_large_call_the_beginning_is_shown_and_all_of_it_is_decided(setting: Any) -> None:
    """The question repeats the call's arguments, and both together exceed the server's limit."""
    path = "/" + "x" * 1_100_000
    model = deletes(path)
    async with setting(model) as s:
        handle, notice = await s.pause()
        (pending,) = await s.approver.pending(handle.id)
        assert notice.pending == [pending]
        assert pending.arguments.startswith('{"path": "/xxx')
        assert pending.arguments.endswith("... (the beginning of 1,100,013 characters)")
        assert pending.question.startswith("delete /xxx")
        assert pending.digest == digest_of("delete_file", {"path": path})
        await s.approver.reject(handle.id, pending, by=BY, reason="too long")
        assert (await s.end(handle))["text"] == "denied\nRejected: too long"
