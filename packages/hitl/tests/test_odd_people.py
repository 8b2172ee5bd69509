"""Names, changes and values of odd shape that once got around the rules. On the ledger, without a server."""

from typing import Any

import pytest
from packages.hitl.tests.people_ledger import NOW, Case, proof_of
from packages.hitl.tests.policy_support import rule

from strands_temporal_hitl import NotVerifiedError
from strands_temporal_hitl._deciders import same
from strands_temporal_hitl._signalled import is_id
from strands_temporal_hitl._tickets import checked_name

ANA, CAT = ("ana", "finance"), ("cat", "finance")


@pytest.mark.parametrize("unseen", ["\u200b", "\u3164", "\u2800", "\u034f", "\u115f", "\ufe00", "\U000e0100"])
def test_a_name_has_no_character_that_nobody_sees(unseen: str) -> None:
    for name in (f"ana{unseen}", f"{unseen}ana"):
        with pytest.raises(NotVerifiedError, match="cannot be seen"):
            checked_name("the name", name)


@pytest.mark.parametrize("spelling", ["ANA  B\u00c9", " ana be\u0301", "\uff21na b\u00e9\ufe0f"])
def test_other_spellings_are_one_person(spelling: str) -> None:
    checked_name("the name", spelling)
    assert same(spelling) == same("ana b\u00e9")


def by_amount(version: str, quorum: int, *, apart: bool) -> dict[str, Any]:
    """Return a policy: finance decides; `apart`, legal decides alone above 60."""
    finance, legal = ({"groups": [each], "quorum": quorum} for each in ("finance", "legal"))
    large = rule("large", "ask", ">", 60, deciders=legal if apart else finance)
    return {"version": version, "rules": [large, rule("small", "ask", "<=", 60, deciders=finance)]}


def change(case: Case, policy: dict[str, Any]) -> None:
    case.ledger.change({"kind": "policy", "policy": policy, "proof": proof_of("ada")}, NOW, None)


def test_a_vote_does_not_decide_what_nobody_may_approve_any_more() -> None:
    case = Case(policy=by_amount("v1", 2, apart=False))
    case.ask(50, 80)
    assert case.result(ANA) == "voted"
    change(case, by_amount("v2", 2, apart=True))
    assert [each.id for each in case.ledger.pending] == ["q"], "one vote of two decided it"
    assert case.pending.votes == []
    assert case.result(CAT) == "NotAllowed"
    change(case, by_amount("v3", 2, apart=False))
    assert [case.result(ANA), case.result(CAT)] == ["voted", "approved"], "they may decide again"


def test_a_decision_does_not_count_if_nobody_may_approve_the_calls_now() -> None:
    case = Case(policy=by_amount("v1", 1, apart=False))
    pause = case.ask(50, 80)
    assert case.result(ANA) == "approved"
    change(case, by_amount("v2", 1, apart=True))
    ((question, record),) = case.ledger.settle(pause)
    assert case.ledger.acted_on(question, record, NOW).outcome == "denied"


def test_a_question_is_handed_on_fifty_times_at_most() -> None:
    case = Case({"groups": ["finance"]})
    case.ask(50)
    assert case.result(ANA, "delegate", to={"group": "night"}) == "delegated"
    people = [(f"p{number}", "night") for number in range(50)]
    found = [case.result(each, "delegate", to={"group": "night"}) for each in people]
    assert found == ["delegated"] * 49 + ["NotAllowed"]
    assert case.result(people[-1]) == "approved"


def test_a_value_too_deep_for_a_message_is_malformed() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    case = Case()
    case.ask(50)
    assert case.result("stated", to=deep) == "MalformedDecision"
    assert case.result("stated", id=deep) == "MalformedDecision"


def test_the_id_of_a_signal_is_short_text_that_can_be_sent() -> None:
    assert is_id("r-1")
    assert not any(is_id(each) for each in (None, 1, "", "x" * 1_001, "\ud800"))
