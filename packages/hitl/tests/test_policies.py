"""A policy in a workflow: it lets calls run, asks people, denies, and people change it while calls wait."""

import logging
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, refused
from packages.hitl.tests.policy_support import Desk, DeskWorkflow, outcomes, policy, ran, refund, refunds

pytestmark = pytest.mark.server

V1: dict[str, Any] = {"workflow_class": DeskWorkflow}
OPTIONS: dict[str, Any] = {"workflows": [DeskWorkflow], "activities": [refund]}


async def test_a_policy_approves_asks_and_denies_and_changes_while_calls_wait(
    setting: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "strands_temporal.agents")
    ran.clear()
    async with setting(refunds(5, 9000, 200, 300, 400), **OPTIONS) as s:
        handle, notice = await s.pause(Desk(policy()), **V1)
        waiting = {each.arguments["amount"]: each for each in notice.pending}
        assert list(waiting) == [200, 300, 400]
        assert waiting[200].question == "Let 'refund' run? The policy (version v1) asks a person"
        over = await refused(s.approver.edit(handle.id, waiting[200], {"amount": 6000}, by=BY))
        assert (over.kind, "denies this call by the rule 'large': above 5000" in str(over)) == (
            "DeniedByPolicy",
            True,
        )
        await s.approver.approve(handle.id, waiting[300], by=BY)
        edited = await s.approver.edit(handle.id, waiting[200], {"amount": 250}, by=BY)
        wrong = await refused(s.approver.withdraw_trust(handle.id, "refund", by=BY))
        assert wrong.kind == "NotTrusted"
        # The call of 300 is approved and has not run, since 400 still waits: the new policy denies both.
        changed = await s.approver.change_policy(handle.id, policy("v2", most=280), by="cy", reason="fraud")
        ended = await s.end(handle)
        view = await s.approver.policy(handle.id)
    decided = "tool=<refund>, outcome=<denied>, layer=<deny>, rule=<large> | the policy decided"
    assert decided in caplog.text
    assert "outcome=<policy_changed>, version=<v2>, by=<cy> | the policy changed" in caplog.text
    assert sorted(ran) == [(5, "bob"), (250, "bob")]
    assert (changed.outcome, changed.by, changed.reason) == ("policy_changed", "cy", "fraud")
    assert (edited.outcome, edited.layer, edited.policy_version) == ("edited", "people", "v1")
    assert outcomes(ended["records"]) == [
        ("denied", "deny", "large", "v1"),
        ("approved", "rules", "small", "v1"),
        ("approved", "people", None, "v1"),
        ("edited", "people", None, "v1"),
        ("policy_changed", "", None, "v2"),
        ("denied", "deny", "large", "v2"),  # 400
        ("denied", "deny", "large", "v2"),  # 300
    ]
    (text,) = ended["texts"]
    assert "Denied by policy: above 5000 / refunded 5 to bob / refunded 250 to bob / A person changed" in text
    assert text.endswith("Denied by policy: above 280 / Denied by policy: above 280")
    assert (view.policy_version, view.policy["version"], view.trusted) == ("v2", "v2", [])
