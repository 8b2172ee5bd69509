"""Votes, proposals, delegations, changed policies and trust. On the ledger, without a server."""

from typing import Any

import pytest
from packages.hitl.tests.people_ledger import NOW, Case, proof_of
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentCarry
from strands_temporal.extension import CarryFormat
from strands_temporal_hitl import ApprovalPolicy, ApprovalsCarry, Deciders
from strands_temporal_hitl._carry import WITH_PEOPLE, WITH_POLICY, pack, unpack
from strands_temporal_hitl._ledger import Ledger

TWO = {"groups": ["finance"], "quorum": 2}
ANA, CAT, DAN = ("ana", "finance"), ("cat", "finance"), ("dan", "finance")


def test_two_different_people_approve() -> None:
    case = Case(TWO)
    pause = case.ask(50)
    first = case.decide(ANA, reason="it is due")
    assert (first.outcome, first.by, first.verified, first.groups) == ("voted", "ana", True, ["finance"])
    assert [vote.by for vote in case.pending.votes] == ["ana"]
    assert case.result(ANA) == "AlreadyVoted"
    assert case.result(("ANA ", "finance")) == "AlreadyVoted", "one person, written differently"
    last = case.decide(CAT)
    assert (last.outcome, last.by, [vote.by for vote in last.votes]) == (
        "approved",
        "ana, cat",
        ["ana", "cat"],
    )
    ((_, answer),) = case.ledger.settle(pause)
    assert answer.response is True


def test_one_rejection_ends_it_and_may_come_from_one_who_approved() -> None:
    case = Case(TWO)
    case.ask(50)
    case.decide(ANA)
    record = case.decide(ANA, "reject", reason="I was wrong")
    assert (record.outcome, record.by, record.reason) == ("rejected", "ana", "I was wrong")


def test_with_a_veto_the_others_reject_by_the_quorum() -> None:
    case = Case({**TWO, "veto": ["legal"]})
    case.ask(50)
    assert case.result(ANA, "reject") == "voted"
    assert case.result(ANA) == "AlreadyVoted"
    assert case.result(CAT) == "voted"
    assert case.result(CAT, "reject", id="other") == "UnknownApproval"
    record = case.decide(DAN, "reject")
    assert (record.outcome, record.by) == ("rejected", "ana, dan")


def test_who_turns_from_yes_to_no_has_one_vote() -> None:
    case = Case({**TWO, "veto": ["legal"]})
    case.ask(50)
    case.decide(ANA)
    assert case.result(ANA, "reject") == "voted"
    assert [(vote.by, vote.verdict) for vote in case.pending.votes] == [("ana", "reject")]
    assert case.result(CAT) == "voted"
    assert case.decide(DAN).by == "cat, dan"


def test_an_edit_is_a_proposal_on_which_all_decide_anew() -> None:
    case = Case(TWO)
    pause = case.ask(50)
    before = case.pending
    case.decide(ANA)
    record = case.decide(CAT, "edit", arguments={"amount": 40}, reason="only 40 are due")
    assert (record.outcome, record.edited_arguments) == ("voted", {"amount": 40})
    now = case.pending
    assert (now.arguments, now.proposed_by, now.original_arguments) == ({"amount": 40}, "cat", {"amount": 50})
    assert [(vote.by, vote.verdict) for vote in now.votes] == [("cat", "edit")], "earlier votes drop"
    assert case.result(DAN, digest=before.digest) == "NotWhatWasSeen", "dan saw the former arguments"
    assert case.result(DAN, digest=None) == "NotWhatWasSeen", "dan saw nobody knows what"
    assert case.result(CAT) == "AlreadyVoted"
    record = case.decide(ANA)
    assert (record.outcome, record.by, record.edited_arguments) == ("edited", "cat, ana", {"amount": 40})
    assert (record.asked_arguments, record.digest) == ({"amount": 50}, before.digest)
    assert record.reason == "only 40 are due"
    ((question, _),) = case.ledger.settle(pause)
    assert question.pending.arguments == {"amount": 50}


def test_an_edit_back_to_what_was_asked_is_no_edit() -> None:
    case = Case(TWO)
    case.ask(50)
    case.decide(ANA, "edit", arguments={"amount": 40})
    case.decide(CAT, "edit", arguments={"amount": 50})
    assert (case.pending.proposed_by, case.pending.original_arguments) == (None, None)
    assert case.decide(DAN).outcome == "approved"


def test_a_decision_is_handed_on() -> None:
    case = Case({"people": ["ana", "cat"], "quorum": 2, "four_eyes": True})
    case.ask(50)
    with pytest.raises(ApplicationError, match="is decided by ana or cat"):
        case.decide(("zoe",))
    assert case.result(ANA, "delegate", to={"person": "eve"}) == "OwnRequest", "eve started it"
    assert case.result(ANA, "delegate", to={"person": "ana"}) == "NotAllowed"
    record = case.decide(ANA, "delegate", to={"group": "night"})
    assert (record.outcome, record.by, record.to) == ("delegated", "ana", {"group": "night"})
    assert case.result(ANA) == "NotADecider"
    assert case.result(CAT, "delegate", to={"person": "ana"}) == "NotAllowed", "it would go in a circle"
    assert case.result(("eve", "night")) == "OwnRequest"
    assert case.result(("zoe", "night")) == "voted"
    assert case.result(("yan", "night")) == "NotADecider", "ana had one vote"
    assert case.decide(CAT).by == "zoe, cat"


def test_who_gets_a_decision_may_hand_it_on() -> None:
    case = Case({"people": ["ana"]})
    case.ask(50)
    case.decide(ANA, "delegate", to={"person": "bob"})
    case.decide(("bob",), "delegate", to={"group": "night"})
    assert case.result(("bob",)) == "NotADecider"
    assert case.result(("zoe", "night")) == "approved"


POLICY: dict[str, Any] = {
    "version": "v1",
    "deciders": {"groups": ["support"]},
    "rules": [
        {
            "name": "large",
            "tools": ["refund"],
            "when": [{"path": "amount", "op": ">", "value": 100}],
            "then": "ask",
            "deciders": {"groups": ["finance"], "quorum": 2},
        },
        {
            "name": "huge",
            "tools": ["refund"],
            "when": [{"path": "amount", "op": ">", "value": 10_000}],
            "then": "ask",
            "deciders": {"groups": ["board"]},
        },
    ],
}
BOB, BEA = ("bob", "support"), ("bea", "support", "finance")


def test_a_rule_names_its_own_people() -> None:
    case = Case(policy=POLICY)
    case.ask(50)
    assert case.result(ANA) == "NotADecider"
    assert case.result(BOB) == "approved"
    case = Case(policy=POLICY)
    case.ask(500)
    assert case.result(BOB) == "NotADecider"
    assert [case.result(ANA), case.result(CAT)] == ["voted", "approved"]


def test_an_edit_needs_the_people_of_the_call_that_it_makes() -> None:
    case = Case(policy=POLICY)
    case.ask(50)
    assert case.result(BOB, "edit", arguments={"amount": 500}) == "NotAllowed"
    assert case.result(BEA, "edit", arguments={"amount": 500}) == "NotAllowed", "nobody may do both"
    case = Case(policy={**POLICY, "deciders": {"groups": ["support", "finance"]}})
    case.ask(50)
    assert case.result(BOB, "edit", arguments={"amount": 500}) == "NotADecider"
    assert case.result(ANA, "edit", arguments={"amount": 500}) == "voted", "it takes two of finance now"
    assert case.result(BOB) == "NotADecider"
    assert case.result(CAT) == "edited"


def test_calls_asked_about_together_take_the_people_of_all() -> None:
    both = {**POLICY, "deciders": {"groups": ["support", "finance"], "four_eyes": True}}
    case = Case(policy=both)
    case.ask(50, 500)
    assert case.pending.deciders == {
        **Deciders(groups=["finance"], quorum=2, four_eyes=True).to_json(),
    }
    apart = Case(policy=POLICY)
    apart.ask(50, 500)
    assert apart.pending.allowed_decisions == ["reject", "delegate"]
    assert apart.result(ANA) == "NotAllowed"
    assert apart.result(ANA, "reject") == "rejected"


def test_early_decisions_are_checked_when_the_question_comes() -> None:
    def digest(amount: int) -> str:
        case = Case()
        case.ask(amount)
        return case.pending.digest

    case = Case(policy=POLICY, by=BOB, digest=digest(500))
    case.ask(500)
    assert [(r.outcome, r.by) for r in case.ledger.records] == [("refused", "bob")]
    case = Case(policy=POLICY, by=ANA, digest=digest(500))
    case.ask(500)
    assert [(r.outcome, r.by) for r in case.ledger.records] == [("voted", "ana")]
    assert case.decide(CAT).outcome == "approved"
    assert Case(policy=POLICY).result("stated", early=True) == "NotVerified"
    assert Case(policy=POLICY).result(ANA, "delegate", early=True, to={"person": "x"}) == "UnknownApproval"


def change(case: Case, by: Any = ("ada",), **fields: Any) -> str:
    value = (
        {"kind": "policy", "proof": proof_of(*by), **fields} if by != "stated" else {"by": "ada", **fields}
    )
    value.setdefault("kind", "policy")
    try:
        case.ledger.check_change(value, NOW)
        return case.ledger.change(value, NOW, None).outcome
    except ApplicationError as error:
        return str(error.type)


def named(**deciders: Any) -> dict[str, Any]:
    return {"version": "v2", "deciders": deciders}


def test_a_changed_policy_counts_for_the_votes_so_far() -> None:
    case = Case(policy=named(groups=["finance"], quorum=2))
    case.ask(50)
    case.decide(ANA)
    assert change(case, policy=named(groups=["support"], quorum=2)) == "policy_changed"
    assert case.pending.votes == [], "ana may not decide any more"
    case.decide(BOB)
    assert change(case, policy=named(groups=["support"])) == "policy_changed"
    record = case.ledger.records[-1]
    assert (record.outcome, record.by) == ("approved", "bob"), "one is enough now"


def test_a_decision_is_checked_again_when_it_is_acted_on() -> None:
    case = Case(policy=named(groups=["finance"]))
    pause = case.ask(50)
    case.decide(ANA)
    change(case, policy=named(groups=["board"]))
    ((question, record),) = case.ledger.settle(pause)
    acted = case.ledger.acted_on(question, record, NOW)
    assert (acted.outcome, acted.response) == ("denied", False)
    assert acted.reason is not None
    assert "other people" in acted.reason


def test_a_policy_is_changed_by_whom_it_names() -> None:
    plain = named(groups=["finance"])
    eyes = named(groups=["finance"], four_eyes=True)
    case = Case(policy=plain)
    assert change(case, "stated", policy=plain) == "NotVerified"
    assert change(case, ("eve",), policy=plain) == "policy_changed"
    case = Case(policy=eyes)
    assert change(case, ("Eve",), policy=plain) == "OwnRequest", "eve would remove the other eyes"
    assert change(case, ("ada",), policy=plain) == "policy_changed"
    case = Case(policy=plain, started_by=None)
    assert change(case, policy=eyes) == "NotAllowed", "nobody knows who asked"
    case = Case(policy=plain, started_by=None, asker="bob")
    assert change(case, policy=eyes) == "policy_changed"
    case.ask(50)
    assert case.result(("Bob", "finance")) == "OwnRequest"
    with pytest.raises(ValueError, match="four_eyes needs to know who asked"):
        case.ledger.asked_by(None)
    case = Case(policy=plain, admins=Deciders(groups=["admins"]))
    assert change(case, ANA, policy=plain) == "NotADecider"
    assert change(case, ("ada", "admins"), policy=plain) == "policy_changed"


def test_trust_counts_only_for_calls_that_the_person_may_decide() -> None:
    case = Case(policy=POLICY)
    case.ask(50)
    assert case.decide(BOB, trust="tool").outcome == "approved"
    case.ask(60, id_="q2")
    assert not case.ledger.pending, "bob may decide it"
    case.ask(500, id_="q3")
    assert case.pending.id == "q3", "it takes two of finance"
    assert case.result(ANA, trust="tool") == "NotAllowed", "nobody's trust stands in for two"
    case = Case(policy=named(groups=["finance"], four_eyes=True))
    assert change(case, ("bob",), kind="trust", tool="refund") == "trusted"
    case.ask(50)
    assert case.pending.id == "q", "bob is not of finance"
    assert change(case, ("zoe", "finance"), kind="trust", tool="refund") == "trusted"
    assert not case.ledger.pending


def test_a_proof_counts_once() -> None:
    case = Case(TWO)
    case.ask(50)
    proof = proof_of("ana", "finance")
    case.decide(proof)
    case.ask(60, id_="q2")
    assert case.result(proof, id="q2", digest=None) == "NotVerified"


def test_the_next_run_takes_over_and_an_older_release_does_not() -> None:
    case = Case({"people": ["ana", "cat"], "quorum": 2})
    case.ask(50)
    case.decide(ANA, "edit", arguments={"amount": 40})
    case.decide(CAT, "delegate", to={"group": "night"})
    carry = pack(case.state, {}, [AgentCarry("")])
    assert carry.version == WITH_PEOPLE
    state = unpack(carry).state
    assert state == case.state
    older = CarryFormat(ApprovalsCarry, WITH_POLICY, "Approvals(carry=...)", made_by="x", package="y")
    with pytest.raises(ValueError, match="newer"):
        older.unpack(carry)
    later = Ledger(True, False, state, policy=case.policy, started_by="eve")
    value = {"id": "q", "verdict": "approve", "digest": later.pending[0].digest}
    assert later.decide({**value, "proof": proof_of("zoe", "night")}, NOW, None).by == "ana, zoe"
    plain = Case(started_by=None)
    plain.ask(50)
    plain.decide("stated")
    assert pack(plain.state, {}, [AgentCarry("")]).version == 1, "nothing of this is in it"


@pytest.mark.parametrize(
    ("deciders", "text"),
    [
        ({"quorum": 0}, "deciders.quorum: 0 is not a number"),
        ({"quorum": True}, "deciders.quorum: True is not a number"),
        ({"people": ["ana", "Ana"], "quorum": 2}, "deciders.quorum: 2 people have to decide"),
        ({"groups": "finance"}, "deciders.groups: 'finance' is not a list. Write ['finance']"),
        ({"groups": [" "]}, "deciders.groups[0]: is empty"),
        ({"four_eyes": 1}, "deciders.four_eyes: 1 is not true or false"),
        ({"channels": ["mcp"]}, "deciders.channels: only assistants may decide"),
        ({"group": ["finance"]}, "deciders.group: is unknown"),
        ([], "deciders: [] is not an object"),
    ],
)
def test_wrong_deciders_are_named(deciders: Any, text: str) -> None:
    for place, value in (
        ("ApprovalPolicy: ", {"version": "v1", "deciders": deciders}),
        (
            "ApprovalPolicy: rules[0].",
            {"version": "v1", "rules": [{"name": "n", "tools": ["*"], "then": "ask", "deciders": deciders}]},
        ),
    ):
        with pytest.raises(ValueError, match="ApprovalPolicy") as caught:
            ApprovalPolicy.from_json(value)
        assert str(caught.value).removeprefix("AgentValueError: ").startswith(f"{place}{text}")


def test_deciders_belong_to_a_rule_that_asks() -> None:
    rule: dict[str, Any] = {"name": "n", "tools": ["*"], "then": "approve", "deciders": {}}
    with pytest.raises(ValueError, match="deciders: belongs to a rule that asks"):
        ApprovalPolicy(version="v1", rules=[rule])
