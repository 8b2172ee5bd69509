"""Policies over runs, changes, agents below, and questions of others. The slow part of `test_policies`."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, refused, until
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

from strands_temporal_hitl import Decision, digest_of

pytestmark = [pytest.mark.server, pytest.mark.slow]

V1: dict[str, Any] = {"workflow_class": DeskWorkflow}
OPTIONS: dict[str, Any] = {"workflows": [DeskWorkflow, ClerkChild], "activities": [refund]}
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


async def asked(s: Any, handle: Any, count: int = 1) -> Any:
    """Return the questions, once so many wait."""
    return await until(lambda: s.approver.pending(handle.id), lambda found: len(found) == count)


async def test_trust_lasts_over_runs_until_it_expires_and_denials_go_first(setting: Any) -> None:
    prompts = ["refund 200", "refund 200 201", "refund 300", "refund 9000", "refund 400"]
    async with setting(refunds(), **OPTIONS) as s:
        handle, notice = await s.pause(Desk(policy(), prompts, "carried"), **V1)
        brief = timedelta(milliseconds=1)
        given = await s.approver.approve(
            handle.id, notice.pending[0], by="ana", trust="arguments", trust_for=brief, reason="twice"
        )
        assert (given.trust, given.trust_until is not None) == ("arguments", True)
        notice = await s.told.next()  # in the next run: the trust has expired
        first = next(each for each in notice.pending if each.arguments["amount"] == 200)
        await s.approver.approve(handle.id, first, by="bob", trust="tool", trust_for=HOUR)
        # The other question of that pause is about the same tool. The third prompt asks nobody.
        records = await until(lambda: s.approver.records(handle.id), lambda found: len(found) >= 5)
        await until(lambda: s.approver.policy(handle.id), lambda view: len(view.trusted) == 1)
        assert records[2].by == "bob"
        ended = await s.end(handle)
    assert ran == [(200, "bob"), (200, "bob"), (201, "bob"), (300, "bob"), (400, "bob")]
    assert outcomes(ended["records"]) == [
        ("approved", "people", None, "v1"),
        ("approved", "people", None, "v1"),
        ("approved", "trust", "refund", "v1"),
        ("approved", "trust", "refund", "v1"),
        ("denied", "deny", "large", "v1"),
        ("approved", "trust", "refund", "v1"),
    ]
    assert {r["by"] for r in ended["records"] if r["layer"] == "trust"} == {"bob"}
    assert ended["texts"][3] == "Denied by policy: above 5000"


async def test_questions_that_wait_are_judged_again(setting: Any) -> None:
    async with setting(refunds(200, 300, 400), **OPTIONS) as s:
        handle, _ = await s.pause(Desk(policy()), **V1)
        await s.approver.change_policy(handle.id, policy("v2", small=250), by="cy")
        waiting = {each.arguments["amount"]: each for each in await asked(s, handle, 2)}
        assert list(waiting) == [300, 400]
        await s.approver.trust(handle.id, "refund", arguments={"amount": 300}, by="di", trust_for=HOUR)
        (last,) = await asked(s, handle)
        await s.approver.withdraw_trust(handle.id, "refund", by="ed")
        view = await s.approver.policy(handle.id)
        assert (view.policy_version, view.trusted) == ("v2", [])
        await s.approver.reject(handle.id, last, by=BY, reason="no")
        # The trust in 300 was withdrawn before that call ran, so people are asked about it once more.
        again = (
            await until(lambda: s.approver.pending(handle.id), lambda found: found and found[0].id != last.id)
        )[0]
        assert (again.arguments, again.name) == ({"amount": 300}, "approval policy 2")
        await s.approver.approve(handle.id, again, by=BY)
        ended = await s.end(handle)
    assert sorted(ran) == [(200, "bob"), (300, "bob")]
    assert [(r["outcome"], r["rule"]) for r in ended["records"]][:4] == [
        ("policy_changed", None),
        ("approved", "small"),
        ("trusted", None),
        ("approved", f"refund with {digest_of('refund', {'amount': 300})}"),
    ]


async def test_a_changed_policy_goes_into_the_next_run_with_the_questions(setting: Any) -> None:
    async with setting(refunds(200), **OPTIONS) as s:
        handle, _ = await s.pause(Desk(policy()), **V1)
        first = (await handle.describe()).run_id
        change = await s.approver.change_policy(handle.id, policy("v2", most=1000), by="cy", update_id="c1")
        await handle.signal(DeskWorkflow.hand_over)
        await until(handle.describe, lambda found: found.run_id != first)
        again = await s.approver.change_policy(handle.id, policy("v2", most=1000), by="cy", update_id="c1")
        assert again == change
        (waiting,) = await asked(s, handle)
        over = await refused(s.approver.edit(handle.id, waiting, {"amount": 2000}, by=BY))
        assert over.kind == "DeniedByPolicy"
        await s.approver.edit(handle.id, waiting, {"amount": 999}, by=BY)
        ended = await s.end(handle)
    assert ran == [(999, "bob")]
    assert outcomes(ended["records"])[0] == ("policy_changed", "", None, "v2")


@pytest.mark.parametrize("way", ["sub-agent", "child", "asks"])
async def test_the_policy_judges_what_runs_below_and_answers_human_in_the_loop(
    setting: Any, way: str
) -> None:
    """A child that asks, and a clerk that asks, ask nobody about a call that the policy settles."""
    async with setting(refunds(5, 9000, 200), **OPTIONS) as s:
        handle, notice = await s.pause(Desk(policy(safe=["clerk"]), way=way), **V1)
        (waiting,) = await asked(s, handle)
        assert (waiting.tool, waiting.arguments, waiting.agent) == ("refund", {"amount": 200}, "clerk")
        await s.approver.approve(handle.id, notice.pending[0], by=BY)
        ended = await s.end(handle)
    assert sorted(ran) == [(5, "bob"), (200, "bob")]
    found = outcomes(ended["records"])
    assert ("approved", "rules", "small", "v1") in found
    assert ("denied", "deny", "large", "v1") in found
    assert ("approved", "people", None, "v1") in found
    assert len(found) == (3 if way == "asks" else 4)  # the call of the clerk is one more
    assert "above 5000" in ended["texts"][0]


async def test_a_childs_call_needs_the_policy_of_the_moment_when_the_answer_goes(setting: Any) -> None:
    async with setting(refunds(5, 6, 200), **OPTIONS) as s:
        handle, notice = await s.pause(Desk(policy(safe=["clerk"]), way="child"), **V1)
        (waiting,) = notice.pending
        await s.approver.change_policy(handle.id, policy("v2", small=5, safe=["clerk"]), by="cy")
        await s.approver.approve(handle.id, waiting, by=BY)
        ended = await s.end(handle)
    assert sorted(ran) == [(5, "bob"), (200, "bob")]
    assert "now a person has to decide" in ended["texts"][0]


async def test_an_early_yes_does_not_count_against_a_denial(setting: Any) -> None:
    async with setting(refunds(9000), **OPTIONS) as s:
        handle = await s.env.start(DeskWorkflow.run, Desk(policy(), way="asks", wait=True))
        named = uuid.uuid5(uuid.NAMESPACE_OID, "strands:human-in-the-loop")
        digest = digest_of("refund", {"amount": 9000})
        early = Decision(f"v1:before_tool_call:call-1-0:{named}", "approve", BY, digest=digest, early=True)
        await s.approver.decide(handle.id, early)
        await handle.signal(DeskWorkflow.begin)
        ended = await s.end(handle)
    assert ran == []
    assert [(r["outcome"], r["reason"]) for r in ended["records"]] == [
        ("refused", "Denied by policy: above 5000"),
        ("denied", "above 5000"),
    ]
