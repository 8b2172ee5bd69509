"""Time, in combinations: what the model reads, failures, hand-overs, notifiers that are away. Slow."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.hitl.tests.approvals_support import (
    Gate,
    approver_for,
    chain,
    delete_file,
    deletes,
    deletes_two,
    until,
)
from packages.hitl.tests.people_support import as_person, client_of, signing_plugin
from packages.hitl.tests.time_support import Listener, Timed, TimedWorkflow, kinds
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from strands_temporal import (
    StrandsPlugin,
    TemporalAgent,
)
from strands_temporal.testing import ScriptedModel, assert_replays, say, use_tools
from strands_temporal_hitl import (
    ApprovalNotice,
    Approvals,
    Told,
    _tellers,  # pyright: ignore[reportPrivateUsage]  # its bound exceeds a test's
)

pytestmark = [pytest.mark.server, pytest.mark.slow]


def plugins(listener: Any, model: Callable[[], ScriptedModel] = deletes) -> list[Any]:
    made = model()
    return [
        StrandsPlugin(models={"model": lambda: made}),
        signing_plugin(notifiers={"ops": lambda: listener}),
    ]


async def test_the_model_reads_that_a_call_was_approved_at_its_deadline(agents: Agents) -> None:
    listener = Listener()
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener, tells)) as env:
        handle = await env.start(TimedWorkflow.run, Timed(deadline=1, at_deadline="approve"))
        result = await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
    assert result["text"] == (
        "deleted /etc/passwd / This call was approved at its deadline: nobody decided in time."
    )
    (record,) = result["records"]
    assert (record["outcome"], record["by"], record["response"]) == ("expired_approved", "", True)
    assert kinds(listener) == ["asked", "decided"]


def tells() -> ScriptedModel:
    """Delete; say all that the tool's result has."""

    def script(call: Any) -> Any:
        if call.tool_results:
            result = call.messages[-1]["content"][0]["toolResult"]
            return say(" / ".join(each["text"] for each in result["content"]))
        return use_tools([("delete_file", {"path": "/etc/passwd"}, "use-1")])

    return ScriptedModel(script)


async def test_an_escalated_question_that_nobody_decides_is_told_apart(agents: Agents) -> None:
    listener = Listener()
    given = Timed(deadline=1, at_deadline="escalate", escalate_to={"groups": ["managers"]})
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener, tells)) as env:
        handle = await env.start(TimedWorkflow.run, given)
        result = await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
    assert result["text"].endswith("Rejected: Nobody decided in time, also not after it went to managers")
    assert [r["outcome"] for r in result["records"]] == ["escalated", "expired"]
    assert kinds(listener)[-1] == "decided"


async def test_a_run_fails_at_the_deadline_with_its_record_written_and_told(
    agents: Agents, client: Client
) -> None:
    listener = Listener()
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener, deletes_two)) as env:
        handle = await env.start(TimedWorkflow.run, Timed(deadline=1, at_deadline="fail"))
        with pytest.raises(WorkflowFailureError) as caught:
            await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
        records = await approver_for(client).records(handle.id)
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("ApprovalExpiredError", True)
    assert "delete_file" in cause.message
    assert cause.details[0]["outcome"] == "expired_failed"
    assert [record.outcome for record in records] == ["expired_failed", "withdrawn"]
    decided = listener.notices[-1]
    assert (decided.kind, [r.outcome for r in decided.records]) == (
        "decided",
        ["expired_failed", "withdrawn"],
    )


async def test_an_agent_goes_on_after_a_caught_failure(agents: Agents) -> None:
    def model() -> ScriptedModel:
        return ScriptedModel(use_tools([("delete_file", {"path": "/a"}, "use-1")]), lambda c: say(c.prompt))

    async with agents(workflows=[TimedWorkflow], plugins=plugins(Listener(), model)) as env:
        given = Timed(deadline=1, at_deadline="fail", catches=True)
        handle = await env.start(TimedWorkflow.run, given)
        result = await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
    assert result["text"] == "go on after expired_failed"


POLICY = {
    "version": "v1",
    "rules": [
        {
            "name": "a",
            "tools": ["delete_file"],
            "then": "ask",
            "when": [{"path": "path", "op": "==", "value": "/a"}],
            "time": {"deadline_seconds": 1, "at_deadline": "approve"},
        },
    ],
}


async def test_each_rule_has_its_own_deadline(agents: Agents, client: Client) -> None:
    listener, approver = Listener(), approver_for(client)
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener, deletes_two)) as env:
        handle = await env.start(TimedWorkflow.run, Timed(deadline=600, policy=POLICY))
        asked = await listener.next("asked")
        first, second = (each.deadline or "" for each in asked.pending)
        assert first < second
        decided = await listener.next("decided")
        assert [r.outcome for r in decided.records] == ["expired_approved"]
        await approver.reject(handle.id, decided.pending[0], by="ana")
        result = await asyncio.wait_for(handle.result(), 30)
        await env.assert_replays(handle)
    assert [r["outcome"] for r in result["records"]] == ["expired_approved", "rejected"]
    assert kinds(listener) == ["asked", "decided", "decided"]


async def replays(env: Any, handle: Any) -> None:
    for history in await chain(handle):
        await assert_replays(history, env.workflows, plugins=env.plugins)


@pytest.mark.parametrize("decided_between", [False, True])
async def test_over_a_hand_over_nobody_is_told_twice_and_no_time_begins_again(
    agents: Agents, client: Client, decided_between: bool
) -> None:
    listener, approver = Listener(), approver_for(client)
    given = Timed(
        deadline=4,
        remind=[1.0, 2.5],
        at_deadline="escalate",
        escalate_to={"groups": ["managers"]},
        escalation=600,
        lingers=decided_between,
    )
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener)) as env:
        handle = await env.start(TimedWorkflow.run, given)
        asked = await listener.next("asked")
        assert (await listener.next("reminder")).number == 1
        await handle.signal(TimedWorkflow.hand_over)
        latest = client.get_workflow_handle(handle.id)
        if decided_between:
            await asyncio.wait_for(left(handle, "TimerCanceled"), 30)
            await approver.approve(handle.id, asked.pending[0], by="ana")
            await latest.signal(TimedWorkflow.go)
        else:
            assert (await listener.next("reminder")).number == 2
            escalated = await listener.next("escalated")
            assert escalated.pending[0].asked_at == asked.pending[0].asked_at
            managers = client_of(client, as_person("mia", "managers"))
            await managers.approve(handle.id, escalated.pending[0])
        decided = await listener.next("decided")
        result = await asyncio.wait_for(latest.result(), 30)
        await replays(env, handle)
    assert decided.reference == "message 1"
    assert result["text"] == "deleted /etc/passwd"
    expected = ["asked", "reminder", "decided"]
    if not decided_between:
        expected[2:2] = ["reminder", "escalated"]
    assert kinds(listener) == expected
    assert len(await chain(handle)) == 2


async def left(handle: Any, event: str) -> None:
    """Wait until a history has an event of a type."""
    while True:
        history = await handle.fetch_history()
        names = [each.WhichOneof("attributes") for each in history.events]
        if any(name.replace("_", "").startswith(event.lower()) for name in names):
            return
        await asyncio.sleep(0.05)


async def test_a_cancelled_run_tells_that_its_questions_are_withdrawn(agents: Agents) -> None:
    listener = Listener()
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener)) as env:
        handle = await env.start(TimedWorkflow.run, Timed())
        await listener.next("asked")
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await asyncio.wait_for(handle.result(), 30)
        decided = await listener.next("decided")
        await env.assert_replays(handle)
    assert [r.outcome for r in decided.records] == ["withdrawn"]


class Away(Listener):
    """A notifier that fails with notices of a kind."""

    def __init__(self, kind: str, times: int = 1_000) -> None:
        super().__init__()
        self.kind, self.times = kind, times

    async def notify(self, notice: ApprovalNotice) -> Told:
        if notice.kind == self.kind and self.times:
            self.times -= 1
            raise ConnectionError("away")
        return await super().notify(notice)


async def test_a_notifier_that_is_away_at_the_decision_holds_the_end_for_a_bounded_time(
    agents: Agents, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tellers, "AT_THE_END", timedelta(seconds=1))
    listener, approver = Away("decided"), approver_for(client)
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener)) as env:
        handle = await env.start(TimedWorkflow.run, Timed())
        asked = await listener.next("asked")
        await approver.approve(handle.id, asked.pending[0], by="ana")
        result = await asyncio.wait_for(handle.result(), 15)
        await env.assert_replays(handle)
    assert result["text"] == "deleted /etc/passwd"
    assert kinds(listener) == ["asked"]


async def test_a_notifier_that_comes_back_is_told_once_of_how_things_are(
    agents: Agents, client: Client
) -> None:
    listener, approver = Away("reminder", 1), approver_for(client)
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener)) as env:
        handle = await env.start(TimedWorkflow.run, Timed(remind=0.8))
        await listener.next("asked")
        first = await listener.next("reminder")
        await approver.approve(handle.id, first.pending[0], by="ana")
        await asyncio.wait_for(handle.result(), 30)
        await listener.next("decided") if listener.came.qsize() < 2 else None
        await env.assert_replays(handle)
    assert kinds(listener)[:2] == ["asked", "reminder"]
    numbers = [each.number for each in listener.notices if each.kind == "reminder"]
    assert numbers == sorted(set(numbers))


async def test_a_reminder_that_failed_at_a_hand_over_is_sent_by_the_next_run(
    agents: Agents, client: Client
) -> None:
    listener = Away("reminder")
    async with agents(workflows=[TimedWorkflow], plugins=plugins(listener)) as env:
        handle = await env.start(TimedWorkflow.run, Timed(remind=[0.5]))
        asked = await listener.next("asked")
        await until(lambda: asyncio.sleep(0, listener.times), lambda times: times < 1_000)
        await handle.signal(TimedWorkflow.hand_over)
        await until(lambda: chain(handle), lambda histories: len(histories) == 2)
        listener.times = 0
        assert (await listener.next("reminder")).number == 1
        latest = client.get_workflow_handle(handle.id)
        await approver_for(client).approve(handle.id, asked.pending[0], by="ana")
        await asyncio.wait_for(latest.result(), 30)
        await listener.next("decided")
        await replays(env, handle)
    assert kinds(listener) == ["asked", "reminder", "decided"]


# --- A deploy


class OneTurn:
    """A workflow of which a deploy changes the approvals."""

    async def go(self, approvals: Approvals) -> str:
        agent = TemporalAgent("model", hooks=[Gate()], tools=[delete_file], callback_handler=None)
        result = str(await approvals.run(agent, "go")).strip()
        return f"{result} {approvals.records[-1].outcome}"


@workflow.defn(name="GatedByTime")
class Before(OneTurn):
    def __init__(self) -> None:
        self.approvals = Approvals(deadline=timedelta(seconds=1))

    @workflow.run
    async def run(self) -> str:
        return await self.go(self.approvals)


@workflow.defn(name="GatedByTime")
class After(OneTurn):
    def __init__(self) -> None:
        self.approvals = Approvals(
            deadline=timedelta(seconds=1), at_deadline="approve", remind=[timedelta(seconds=0.3)]
        )

    @workflow.run
    async def run(self) -> str:
        return await self.go(self.approvals)


async def test_a_run_replays_with_code_that_has_reminders_and_another_step_at_the_deadline(
    agents: Agents,
) -> None:
    listener = Listener()
    async with agents(workflows=[Before], plugins=plugins(listener)) as env:
        handle = await env.start(Before.run)
        assert (await asyncio.wait_for(handle.result(), 30)).endswith(" in time expired")
        history = await handle.fetch_history()
        await assert_replays(history, [After], plugins=env.plugins)
    async with agents(workflows=[After], plugins=plugins(listener)) as env:
        handle = await env.start(After.run)
        assert (await asyncio.wait_for(handle.result(), 30)).endswith("expired_approved")
        await env.assert_replays(handle)
