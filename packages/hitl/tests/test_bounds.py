"""How much a person may send: nobody can fill what a workflow keeps over all of its runs."""

import random
import string
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import BY, GatedWorkflow, deletes, refused
from packages.hitl.tests.test_approvals_carry import NOW
from packages.hitl.tests.test_ledger import ask, decision, kind
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentCarry
from strands_temporal_hitl import ApprovalPolicy, ApprovalRefusedError, Decision, _bounds
from strands_temporal_hitl._carry import LARGEST_RECORDS, pack, unpack
from strands_temporal_hitl._in_force import PolicyInForce
from strands_temporal_hitl._inbox.decisions import decision_of
from strands_temporal_hitl._inbox.errors import PageError
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._policy_types import PolicyChange
from strands_temporal_hitl._sending import DecisionSender
from strands_temporal_hitl._state import LedgerState
from strands_temporal_hitl._types import PendingApproval
from strands_temporal_hitl.identity import Person

LONG = {"reason": 10_000, "by": 1_000, "digest": 1_000}


def noise(length: int, seed: int = 0) -> str:
    """Return a text that does not become smaller by compression."""
    return "".join(random.Random(seed).choices(string.ascii_letters + string.digits, k=length))  # noqa: S311


@pytest.mark.parametrize(("name", "most"), LONG.items())
def test_a_text_of_a_decision_has_a_bound_and_a_replay_takes_what_was_taken(name: str, most: int) -> None:
    ledger = Ledger(True, False)
    ask(ledger, "a")
    given = decision(verdict="reject", **{name: "x" * (most + 1)})
    type_, text = kind(ledger, given)
    assert type_ == "MalformedDecision"
    assert f"{name} has {most + 1:,} characters, and may have {most:,}" in text
    assert ledger.decide(given, NOW, "u", seen=True).outcome == "rejected"  # of a release without the bound
    if name != "digest":
        ask(ledger, "b")
        ledger.check(decision("b", "reject", **{name: "x" * most}), NOW)


@pytest.mark.parametrize("to", ["person", "group"])
def test_the_name_of_whom_a_question_is_handed_to_has_a_bound(to: str) -> None:
    ledger = Ledger(True, False)
    ask(ledger, "a")
    _, text = kind(ledger, decision(verdict="delegate", to={to: "x" * 1_001}))
    assert f"to.{to} has 1,001 characters, and may have 1,000" in text


def test_a_change_of_the_policy_has_the_same_bounds() -> None:
    state = LedgerState()
    ledger = Ledger(True, False, state, policy=PolicyInForce(ApprovalPolicy(version="1"), state.policy))
    for name, most in {"reason": 10_000, "by": 1_000, "tool": 1_000}.items():
        change = {"kind": "trust", "by": "ana", "tool": "delete", name: "x" * (most + 1)}
        with pytest.raises(ApplicationError, match=f"{name} has {most + 1:,} characters") as caught:
            ledger.check_change(change, NOW)
        assert caught.value.type == "MalformedChange"
        ledger.change(change, NOW, None, seen=True)
    trusted = {"kind": "trust", "by": "ana", "tool": "x", "reason": "why " * 2_500}
    record = ledger.change(trusted, NOW, None)
    assert record.reason == "why " * 2_500
    assert len(ledger.state.policy.trusted[-1].reason or "") == 1_003


def test_only_so_many_early_decisions_are_kept() -> None:
    ledger = Ledger(True, False)
    for number in range(100):
        ledger.decide(decision(str(number), early=True), NOW, None)
    type_, text = kind(ledger, decision("another", early=True))
    assert type_ == "TooMuchEarly"
    assert "100 decisions wait for questions that were not asked yet, which is the most" in text
    assert ledger.decide(decision("another", early=True), NOW, None, seen=True).early
    ask(ledger, "0", "1")
    ledger.check(decision("one more", early=True), NOW)  # two of them were used


def test_early_decisions_have_a_size_together() -> None:
    ledger = Ledger(True, False)
    ledger.decide(decision("a", "respond", early=True, response="x" * 200_000), NOW, None)
    type_, text = kind(ledger, decision("b", "respond", early=True, response="x" * 60_000))
    assert type_ == "TooMuchEarly"
    assert "bytes of JSON, and may have 250,000" in text
    type_, text = kind(ledger, decision("x" * 1_001, early=True))
    assert (type_, "1,001 characters" in text) == ("TooMuchEarly", True)


def test_what_people_sent_before_leaves_room_in_a_carry() -> None:
    """The newest records stay as far as there is room, and the answers that agents still wait for."""
    ledger = Ledger(True, False)
    for number in range(300):
        id_ = str(number)
        pause = ask(ledger, id_)
        ledger.decide(decision(id_, "reject", reason=noise(10_000, number)), NOW, id_)
        ledger.settle(pause)
    answered = {record.update_id or "": record for record in ledger.records[-100:]}
    small = unpack(pack(ledger.state, answered, [AgentCarry("x")]))
    assert [record.id for record in small.state.records] == [str(number) for number in range(253, 300)]
    assert list(small.answered) == [str(number) for number in range(253, 300)]
    beside_a_large_agent = unpack(pack(ledger.state, answered, [AgentCarry("x" * 1_950_000)]))
    assert [record.id for record in beside_a_large_agent.state.records] == ["296", "297", "298", "299"]
    ask(ledger, "large")
    ledger.decide(decision("large", "respond", response=noise(LARGEST_RECORDS)), NOW, "large")
    waits = unpack(pack(ledger.state, {}, [AgentCarry("x")]))
    assert [record.id for record in waits.state.records] == ["large"]


async def test_a_client_refuses_before_it_sends_anything() -> None:
    sender: Any = DecisionSender.__new__(DecisionSender)  # it has no server
    for sent, type_ in (
        (Decision("a", "approve", BY, "x" * 10_001), "MalformedDecision"),
        (PolicyChange("trust", BY, "x" * 10_001, tool="delete"), "MalformedChange"),
    ):
        with pytest.raises(
            ApprovalRefusedError, match="reason has 10,001 characters, and may have"
        ) as caught:
            await sender.send(None, sent, "request")
        assert caught.value.kind == type_


def test_the_forms_of_the_inbox_tell_it() -> None:
    pending, person = PendingApproval("a", "approval"), Person("ana")
    with pytest.raises(PageError, match="The reason has 10,001 characters, and may have 10,000"):
        decision_of({"verdict": "reject", "reason": "x" * 10_001}, pending, person)
    with pytest.raises(PageError, match="The name has 1,001 characters, and may have 1,000"):
        decision_of({"verdict": "delegate", "to_kind": "group", "to": "x" * 1_001}, pending, person)


@pytest.mark.server
async def test_a_worker_refuses_before_history_and_an_old_history_replays(
    setting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sends updates and signals by hand, without this package's client, gets the same refusals."""
    long = {"verdict": "reject", "by": BY, "reason": "x" * 10_001}
    async with setting(deletes()) as s:
        handle = await s.env.start(GatedWorkflow.run)
        (pending,) = (await s.told.next()).pending
        before = (await handle.describe()).raw_description.workflow_execution_info.history_length
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await handle.execute_update("decide_approval", {"id": pending.id, **long})
        cause: Any = caught.value.cause
        assert (cause.type, "10,001 characters, and may have 10,000" in cause.message) == (
            "MalformedDecision",
            True,
        )
        early = refused(s.approver.approve(handle.id, "x" * 1_001, by=BY, early=True))
        assert (await early).kind == "TooMuchEarly"
        events = (await handle.fetch_history()).events
        assert not [e for e in events if e.HasField("workflow_execution_update_accepted_event_attributes")]
        assert before <= len(events)
        with monkeypatch.context() as as_before:
            as_before.setattr(_bounds, "LONGEST_REASON", 100_000)
            record = await s.approver.reject(handle.id, pending, by=BY, reason="y" * 20_000)
        assert record.reason == "y" * 20_000
        await handle.result()
        await s.assert_replays(handle)
