"""Who may decide what: person x rule x action, each cell. On the ledger, without a server."""

import itertools
from typing import Any

from packages.hitl.tests.people_ledger import Case, proof_of

FINANCE = {"groups": ["finance"]}
RULES: dict[str, dict[str, Any] | None] = {
    "nobody named": None,
    "finance": FINANCE,
    "ana herself": {"people": ["ana"]},
    "two of finance": {**FINANCE, "quorum": 2},
    "four eyes": {**FINANCE, "four_eyes": True},
    "legal may stop": {**FINANCE, "quorum": 2, "veto": ["legal"]},
    "in the inbox": {**FINANCE, "channels": ["inbox"]},
    "assistants too": {**FINANCE, "assistants": True},
}
PEOPLE: dict[str, Any] = {
    "ana of finance": ("ana", "finance"),
    "bob of support": ("bob", "support"),
    "leo of legal": ("leo", "legal"),
    "eve, who started it": ("eve", "finance"),
    "ana's assistant": proof_of("ana", "finance", channel="mcp"),
    "ana in chat": proof_of("ana", "finance", channel="chat"),
    "not verified": "stated",
}
ACTIONS: dict[str, dict[str, Any]] = {
    "approve": {},
    "reject": {},
    "edit": {"arguments": {"amount": 1}},
    "respond": {"response": "y"},
    "delegate": {"to": {"person": "zoe"}},
}
# The outcome of each action in the order of ACTIONS. a: approved, j: rejected, e: edited, r: responded,
# v: voted, d: delegated; D: NotADecider, O: OwnRequest, N: NotAllowed, V: NotVerified.
MATRIX: dict[str, dict[str, str]] = {
    "nobody named": {
        "ana of finance": "a j e r N",
        "bob of support": "a j e r N",
        "leo of legal": "a j e r N",
        "eve, who started it": "a j e r N",
        "ana's assistant": "N j N N N",
        "ana in chat": "a j e r N",
        "not verified": "a j e r N",
    },
    "finance": {
        "ana of finance": "a j e r d",
        "bob of support": "D D D D D",
        "leo of legal": "D D D D D",
        "eve, who started it": "a j e r d",
        "ana's assistant": "N j N N N",
        "ana in chat": "a j e r d",
        "not verified": "V V V V V",
    },
    "ana herself": {
        "ana of finance": "a j e r d",
        "bob of support": "D D D D D",
        "leo of legal": "D D D D D",
        "eve, who started it": "D D D D D",
        "ana's assistant": "N j N N N",
        "ana in chat": "a j e r d",
        "not verified": "V V V V V",
    },
    "two of finance": {
        "ana of finance": "v j v N d",
        "bob of support": "D D D N D",
        "leo of legal": "D D D N D",
        "eve, who started it": "v j v N d",
        "ana's assistant": "N j N N N",
        "ana in chat": "v j v N d",
        "not verified": "V V V V V",
    },
    "four eyes": {
        "ana of finance": "a j e r d",
        "bob of support": "D D D D D",
        "leo of legal": "D D D D D",
        "eve, who started it": "O O O O O",
        "ana's assistant": "N j N N N",
        "ana in chat": "a j e r d",
        "not verified": "V V V V V",
    },
    "legal may stop": {
        "ana of finance": "v v v N d",
        "bob of support": "D D D N D",
        "leo of legal": "D j D N D",
        "eve, who started it": "v v v N d",
        "ana's assistant": "N v N N N",
        "ana in chat": "v v v N d",
        "not verified": "V V V V V",
    },
    "in the inbox": {
        "ana of finance": "a j e r d",
        "bob of support": "D D D D D",
        "leo of legal": "D D D D D",
        "eve, who started it": "a j e r d",
        "ana's assistant": "N N N N N",
        "ana in chat": "N N N N N",
        "not verified": "V V V V V",
    },
    "assistants too": {
        "ana of finance": "a j e r d",
        "bob of support": "D D D D D",
        "leo of legal": "D D D D D",
        "eve, who started it": "a j e r d",
        "ana's assistant": "a j e r d",
        "ana in chat": "a j e r d",
        "not verified": "V V V V V",
    },
}
LETTERS = {
    "approved": "a",
    "rejected": "j",
    "edited": "e",
    "responded": "r",
    "voted": "v",
    "delegated": "d",
    "NotADecider": "D",
    "OwnRequest": "O",
    "NotAllowed": "N",
    "NotVerified": "V",
}


def test_who_may_decide_what() -> None:
    found: dict[str, dict[str, str]] = {}
    for rule, deciders in RULES.items():
        found[rule] = {}
        for person, by in PEOPLE.items():
            letters: list[str] = []
            for action, fields in ACTIONS.items():
                case = Case(deciders)
                case.ask(50)
                letters.append(LETTERS[case.result(by, action, **fields)])
            found[rule][person] = " ".join(letters)
    assert found == MATRIX


def test_all_is_refused_before_anything_is_changed() -> None:
    for (_rule, deciders), by in itertools.product(RULES.items(), PEOPLE.values()):
        for action, fields in ACTIONS.items():
            case = Case(deciders)
            case.ask(50)
            before = (case.ledger.pending, list(case.ledger.records), dict(case.state.proofs))
            if LETTERS[case.result(by, action, **fields)].isupper():
                assert (case.ledger.pending, case.ledger.records, case.state.proofs) == before
