"""Judges in workflows: they approve, or a person decides. Asked once, also over pauses and runs."""

import asyncio
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import approver_for, until
from packages.hitl.tests.carried_support import hand_over
from packages.hitl.tests.policy_support import (
    ClerkChild,
    Desk,
    DeskWorkflow,
    outcomes,
    policy,
    ran,
    refund,
    refunds,
)
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from strands_temporal import StrandsPlugin
from strands_temporal.testing import AgentEnvironment
from strands_temporal_hitl import JudgeRequest, Ruling

pytestmark = pytest.mark.server

asked: list[Any] = []


def judged(**more: Any) -> dict[str, Any]:
    rule = {"name": "careful", "criteria": "Refunds below 300 are fine.", **more}
    return {**policy(), "judge": rule}


async def careful(request: JudgeRequest) -> Any:
    """Approve below 300. Amounts from 900 on stand for what may go wrong."""
    amount = request.arguments["amount"]
    asked.append((amount, request.criteria, request.agent))
    if amount == 900:
        raise ApplicationError("the model is down", non_retryable=True)
    if amount == 901:
        return {"approve": "true", "confidence": 1, "reason": ""}
    if amount == 902:
        return Ruling(True, 0.79, "looks fine")
    if amount == 903:
        return Ruling(True, float("nan"))
    if amount == 904:
        return None
    if amount == 905:
        activity.heartbeat()
        await asyncio.sleep(60)
    return Ruling(amount < 300, 0.9, f"it is {amount}\x1b[2J")


@pytest.fixture(autouse=True)
def fresh() -> None:
    asked.clear()
    ran.clear()


def open_setting(setting: Any, *amounts: int, **more: Any) -> Any:
    options: dict[str, Any] = {"workflows": [DeskWorkflow, ClerkChild], "activities": [refund], **more}
    judges = options.pop("judges", {"careful": careful})
    return setting(refunds(*amounts), judges=judges, **options)


async def test_the_judge_approves_or_a_person_decides_once(setting: Any) -> None:
    async with open_setting(setting, 50, 200, 400, 9000) as s:
        handle, notice = await s.pause(Desk(judged()), workflow_class=DeskWorkflow)
        (pending,) = notice.pending
        await hand_over(handle)
        await s.approver.approve(handle.id, pending, by="ana")
        result = await s.end(handle)
        audit = await s.approver.audit(handle.id)
    assert pending.arguments == {"amount": 400}
    assert pending.question.endswith(
        "asks a person, because the judge 'careful' does not approve: it is 400 [2J"
    )
    assert sorted(ran) == [(50, "bob"), (200, "bob"), (400, "bob")]
    assert sorted(each[0] for each in asked) == [200, 400]
    assert asked[0][1:] == ("Refunds below 300 are fine.", "clerk")
    found = sorted(outcomes(result["records"]), key=str)
    assert found == sorted(
        [
            ("approved", "rules", "small", "v1"),
            ("approved", "judge", "careful", "v1"),
            ("approved", "people", None, "v1"),
            ("denied", "deny", "large", "v1"),
        ],
        key=str,
    )
    (by_judge,) = [r for r in result["records"] if r["layer"] == "judge"]
    assert by_judge["reason"] == "Confidence 0.9. it is 200 [2J"
    rulings = [e.data for e in audit.entries if e.kind == "judged"]
    assert sorted((r["approve"], r["confidence"], r["judge"]) for r in rulings) == [
        (False, 0.9, "careful"),
        (True, 0.9, "careful"),
    ]


WRONG = {
    900: "It did not answer: the model is down",
    901: "gave no ruling: approve is not true or false",
    902: "Its confidence is 0.79, below 0.8. looks fine",
    903: "gave no ruling: confidence is not a number",
    904: "gave no ruling: NoneType is no ruling",
    905: "It did not answer: ",
}


@pytest.mark.slow
async def test_whatever_goes_wrong_is_for_a_person(setting: Any) -> None:
    async with open_setting(setting, *WRONG) as s:
        handle, notice = await s.pause(Desk(judged(timeout_seconds=2)), workflow_class=DeskWorkflow)
        assert len(notice.pending) == len(WRONG)
        for pending in notice.pending:
            assert WRONG[pending.arguments["amount"]] in pending.question
            await s.approver.reject(handle.id, pending, by="ana")
        result = await s.end(handle)
    assert ran == []
    assert {r["outcome"] for r in result["records"]} == {"rejected"}


CASES: list[tuple[Any, str]] = [
    ({"name": "careful"}, "The policy gives no criteria"),
    ({"name": "other", "criteria": "all"}, "Unknown judge 'other'. Register it in HITLPlugin(judges="),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "text"), CASES)
async def test_without_criteria_or_judge_a_person_decides(setting: Any, rule: Any, text: str) -> None:
    async with open_setting(setting, 200) as s:
        handle, notice = await s.pause(Desk({**policy(), "judge": rule}), workflow_class=DeskWorkflow)
        assert text in notice.pending[0].question
        await s.approver.reject(handle.id, notice.pending[0], by="ana")
        await s.end(handle)
    assert asked == []


@pytest.mark.slow
@pytest.mark.parametrize("way", ["asks", "sub-agent", "child", "asks sub-agent"])
async def test_judged_below_and_in_questions_of_others(setting: Any, way: str) -> None:
    async with open_setting(setting, 200, 400) as s:
        of = {**judged(), "safe": ["clerk"]}
        handle, notice = await s.pause(Desk(of, way=way), workflow_class=DeskWorkflow)
        (pending,) = notice.pending
        assert pending.arguments == {"amount": 400}
        if way == "asks":
            await hand_over(handle)
        await s.approver.approve(handle.id, pending, by="ana")
        result = await s.end(handle)
    assert sorted(ran) == [(200, "bob"), (400, "bob")]
    assert sorted(each[0] for each in asked) == [200, 400]
    layers = [r["layer"] for r in result["records"] if r["tool"] == "refund"]
    assert sorted(layers) == ["judge", "people"]


@pytest.mark.slow
async def test_a_judge_in_a_rule_and_by_tool(setting: Any) -> None:
    rules = [{"name": "mid", "tools": ["refund"], "then": "judge", "reason": "mid"}]
    of = {**judged(tools=["other"]), "rules": rules}
    async with open_setting(setting, 50) as s:
        result = await s.env.run(DeskWorkflow.run, Desk(of))
    assert outcomes(result["records"]) == [("approved", "judge", "careful", "v1")]
    asked.clear()
    async with open_setting(setting, 200) as s:
        handle, notice = await s.pause(Desk(judged(tools=["other"])), workflow_class=DeskWorkflow)
        await s.approver.reject(handle.id, notice.pending[0], by="ana")
        await s.end(handle)
    assert asked == []


@pytest.mark.slow
async def test_the_policy_may_change_while_the_judge_is_asked(setting: Any) -> None:
    began, go = asyncio.Event(), asyncio.Event()

    async def slow(request: JudgeRequest) -> Ruling:
        asked.append(request.arguments["amount"])
        began.set()
        await go.wait()
        return Ruling(True, 1.0)

    async with open_setting(setting, 200, judges={"careful": slow}) as s:
        handle = await s.env.start(DeskWorkflow.run, Desk(judged()))
        await asyncio.wait_for(began.wait(), 20)
        await s.approver.change_policy(handle.id, policy("v2", most=100), by="cy")
        go.set()
        result = await s.end(handle)
    assert (ran, asked) == ([], [200])
    assert outcomes(result["records"])[-1] == ("denied", "deny", "large", "v2")


@pytest.mark.slow
async def test_a_worker_without_judges_leaves_it_to_people(agents: Any, client: Client) -> None:
    approver = approver_for(client)
    plugins = [StrandsPlugin(models={"model": lambda: refunds(200)})]
    async with agents(workflows=[DeskWorkflow], activities=[refund], plugins=plugins) as env:
        of: AgentEnvironment = env
        handle = await of.start(DeskWorkflow.run, Desk(judged()))

        async def pending() -> Any:
            return await approver.pending(handle.id)

        (one,) = await until(pending, bool)
        assert "does not have the activity 'hitl-judge'" in one.question
        await approver.reject(handle.id, one, by="ana")
        await asyncio.wait_for(handle.result(), 30)
        await of.assert_replays(handle)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["", "asks"])
async def test_a_workflow_that_is_cancelled_while_the_judge_is_asked(setting: Any, way: str) -> None:
    began = asyncio.Event()

    async def slow(request: JudgeRequest) -> Ruling:
        began.set()
        for _ in range(600):
            activity.heartbeat()
            await asyncio.sleep(0.05)
        return Ruling(True, 1.0)

    async with open_setting(setting, 200, judges={"careful": slow}) as s:
        handle = await s.env.start(DeskWorkflow.run, Desk(judged(), way=way))
        await asyncio.wait_for(began.wait(), 20)
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as caught:
            await asyncio.wait_for(handle.result(), 30)
        assert isinstance(caught.value.cause, CancelledError)
        records = await s.approver.records(handle.id)
        await s.assert_replays(handle)
    assert [r.outcome for r in records] == (["withdrawn"] if way else [])
    assert ran == []
