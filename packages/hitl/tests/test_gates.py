"""No call of a message runs before all of its questions are decided, where a policy judges the calls."""

from typing import Any

import pytest
from conftest import at_rest
from packages.hitl.tests.policy_support import (
    Desk,
    DeskWorkflow,
    outcomes,
    policy,
    ran,
    refund,
    refunds,
)

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@pytest.mark.parametrize("way", ["", pytest.param("sub-agent", marks=pytest.mark.slow)])
async def test_no_call_runs_before_all_gates_are_resolved(setting: Any, way: str) -> None:
    model = refunds(50, 400, 60, 500, 9000)
    async with setting(model, workflows=[DeskWorkflow], activities=[refund]) as s:
        desk = Desk(policy(safe=["clerk"]), ["refund 50 400 60 500 9000"], way=way)
        handle, notice = await s.pause(desk, workflow_class=DeskWorkflow)
        asked = sorted((each.arguments["amount"], each) for each in notice.pending)
        assert [amount for amount, _ in asked] == [400, 500]
        await at_rest(handle)
        assert ran == []
        await s.approver.approve(handle.id, asked[1][1], by="ana")
        await at_rest(handle)
        assert ran == []
        await s.approver.reject(handle.id, asked[0][1], by="bo", reason="too soon")
        result = await s.end(handle)
    assert sorted(ran) == [(50, "bob"), (60, "bob"), (500, "bob")]
    assert "Rejected: too soon" in str(result["texts"])
    found = [each for each in outcomes(result["records"]) if each[1] != "safe"]  # the sub-agent itself
    assert sorted(found, key=str) == sorted(
        [
            ("approved", "rules", "small", "v1"),
            ("approved", "rules", "small", "v1"),
            ("approved", "people", None, "v1"),
            ("rejected", "people", None, "v1"),
            ("denied", "deny", "large", "v1"),
        ],
        key=str,
    )


async def test_calls_that_nobody_is_asked_about_do_not_wait(setting: Any) -> None:
    async with setting(refunds(50, 60, 9000), workflows=[DeskWorkflow], activities=[refund]) as s:
        handle = await s.env.start(DeskWorkflow.run, Desk(policy()))
        result = await s.end(handle)
    assert sorted(ran) == [(50, "bob"), (60, "bob")]
    assert len(result["records"]) == 3
