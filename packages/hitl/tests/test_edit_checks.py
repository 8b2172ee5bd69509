"""Which edits a question takes, and what a refusal says, without Temporal."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import asked_by
from strands.interrupt import Interrupt
from temporalio.exceptions import ApplicationError

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal_hitl import Decision, PendingApproval, digest_of
from strands_temporal_hitl._allowed import LARGEST_EDIT, AllowedDecisions
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._turn import Turn

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "$defs": {
        "Line": {"type": "object", "properties": {"sku": {"type": "string"}, "n": {"type": "integer"}}}
    },
    "properties": {
        "amount": {"type": "integer"},
        "to": {"type": ["string", "null"]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "more": {"type": "object", "additionalProperties": {"type": "string"}},
        "broken": {"$ref": "#/$defs/Nowhere"},
    },
    "required": ["amount"],
}
ASKED: dict[str, Any] = {"amount": 100, "extra": "the model's own", "lines": [{"sku": "a", "colour": "red"}]}
DIGEST = digest_of("order", ASKED)


def asking(
    allowed: Any = None, *, schema: Any = SCHEMA, deadline: timedelta | None = None, early: Any = None
) -> Ledger:
    ledger = Ledger(True, False, allowed=AllowedDecisions(allowed))
    if early:
        ledger.decide(early, NOW, "u")
    about = replace(asked_by({"toolUseId": "t", "name": "order", "input": ASKED}), schema=schema)
    ledger.ask("agent", [(Interrupt("a", "approval"), about)], now=NOW, deadline=deadline)
    return ledger


def edit(arguments: Any, **other: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"digest": DIGEST, "arguments": arguments, **other}
    return Decision("a", "edit", "ana", **given).to_wire()


@contextmanager
def refusing(kind: str) -> Generator[list[str]]:
    said: list[str] = []
    with pytest.raises(ApplicationError) as caught:
        yield said
    assert caught.value.type == kind, caught.value.message
    said.append(caught.value.message)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "'amount' is a required property"),
        ({"amount": None}, "$.amount: None is not of type 'integer'"),
        ({"amount": "5"}, "$.amount: '5' is not of type 'integer'"),
        ({"amount": True}, "$.amount: True is not of type 'integer'"),
        ({"amount": 5, "amonut": 5}, "$: unknown argument 'amonut'. Did you mean 'amount'?"),
        ({"amount": 5, "lines": {}}, "$.lines: {} is not of type 'array'"),
        ({"amount": 5, "lines": [{"sku": 7}]}, "$.lines[0].sku: 7 is not of type 'string'"),
        ({"amount": 5, "lines": [{"size": 7}]}, "$.lines[0]: unknown argument 'size'"),
        ({"amount": 5, "more": {"any": 7}}, "$.more.any: 7 is not of type 'string'"),
        ({"amount": 5, "\u202eamount": 6}, "unknown argument '\\u202eamount'"),
        ({"amount": 5, "broken": 1}, "the tool's input schema cannot be applied"),
        ({"amount": 5, "to": "x" * LARGEST_EDIT}, "bytes, and may have 250,000"),
        ({"amount": 5, "to": "\u6f22" * (LARGEST_EDIT // 3)}, "bytes, and may have 250,000"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments: Any, words: str) -> None:
    with refusing("InvalidArguments") as said:
        asking().check(edit(arguments), NOW)
    assert words in said[0]
    assert said[0].startswith("The arguments for 'order' in the decision on 'a' do not fit: ")
    if "bytes" not in words:
        assert (
            "The tool's arguments: 'amount' (integer), 'to' (optional), 'lines' (array, optional)" in said[0]
        )


@pytest.mark.parametrize(
    "arguments",
    [
        {"amount": 5},
        {"amount": 5.0, "to": None},
        {"amount": 5, "extra": "changed"},  # the call that was shown has it too
        {"amount": 5, "lines": [{"sku": "b", "colour": "blue"}]},
        {"amount": 5, "more": {"any": "text"}},
        {"amount": 5, "to": "\x1b[2J\u202e\x00"},
    ],
)
def test_arguments_that_fit_are_taken_as_they_are(arguments: Any) -> None:
    ledger = asking()
    record = ledger.decide(edit(arguments), NOW, "u")
    assert (record.outcome, record.edited_arguments, record.asked_arguments) == ("edited", arguments, ASKED)
    assert (record.digest, record.edited_digest) == (DIGEST, digest_of("order", arguments))
    assert json.loads(json.dumps(asdict(record))) == asdict(record)


def test_equal_arguments_approve() -> None:
    record = asking().decide(edit(dict(reversed(list(ASKED.items())))), NOW, "u")
    assert (record.outcome, record.edited_arguments, record.edited_digest) == ("approved", None, None)
    assert record.response is True


@pytest.mark.parametrize("depth", [101, 900, 50_000])
def test_a_deep_nest_is_refused(depth: int) -> None:
    """Copies of such a value, as a carry makes them, recurse."""
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    for value in (
        {**edit({}), "arguments": {"lines": deep}},
        {"id": "a", "verdict": "respond", "by": "ana", "response": deep},
    ):
        with refusing("MalformedDecision") as said:
            asking().check(value, NOW)
        assert "cannot be kept" in said[0]


def test_a_schema_that_refers_to_itself() -> None:
    tree: Any = {"type": "object", "properties": {"down": {"$ref": "#/$defs/tree"}}}
    ledger = asking(schema={**tree, "$defs": {"tree": tree}})
    value: Any = {}
    for _ in range(90):
        value = {"down": value}
    ledger.check(edit(value), NOW)
    with refusing("InvalidArguments") as said:
        ledger.check(edit({"down": {"down": {"up": 1}}}), NOW)
    assert "$.down.down: unknown argument 'up'" in said[0]


def test_first_of_two_decisions_counts() -> None:
    for first, second, outcome in (("edit", "approve", "edited"), ("approve", "edit", "approved")):
        ledger = asking()
        decisions: Any = {
            "edit": edit({"amount": 1}),
            "approve": Decision("a", "approve", "bo", digest=DIGEST).to_wire(),
        }
        ledger.decide(decisions[first], NOW, "1")
        with refusing("AlreadyDecided") as said:
            ledger.decide(decisions[second], NOW, "2")
        assert f"'a' is already {outcome} by" in said[0]
        with refusing("AlreadyDecided"):
            ledger.decide(edit({"amount": 2}), NOW, "3")
        assert [record.outcome for record in ledger.records] == [outcome]


def test_at_the_deadline_it_is_too_late() -> None:
    ledger = asking(deadline=timedelta(hours=1))
    with refusing("PastDeadline"):
        ledger.check(edit({"amount": 1}), NOW + timedelta(hours=1))
    assert ledger.check(edit({"amount": 1}), NOW + timedelta(minutes=59)).arguments == {"amount": 1}


def test_it_is_for_the_call_that_was_shown() -> None:
    for digest in (digest_of("order", {"amount": 1}), "sha256:\u6f22\u5b57", "", DIGEST.upper()):
        with refusing("NotWhatWasSeen"):
            asking().check(edit({"amount": 1}, digest=digest), NOW)


def test_an_early_edit_is_checked_when_the_question_is_asked() -> None:
    assert asking(early=edit({"amount": 5}, early=True)).records[0].edited_arguments == {"amount": 5}
    for allowed, arguments, words in (
        (None, {"amount": "5"}, "$.amount: '5' is not of type 'integer'"),
        (["approve"], {"amount": 5}, "The decision 'edit' is not allowed for 'a'. "),
    ):
        ledger = asking(allowed, early=edit(arguments, early=True))
        (record,) = ledger.records
        assert record.outcome == "refused"
        assert words in str(record.reason)
        assert [each.id for each in ledger.pending] == ["a"]
    ledger = asking(early=edit({"amount": 5}, early=True, digest="sha256:other"))
    assert ledger.records[0].reason == "Given for different arguments from those in the question"


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        (None, ["approve", "reject", "edit", "respond"]),
        ({"edit", "reject"}, ["reject", "edit"]),
        ({"order": ["approve"], "*": ["reject"]}, ["approve"]),
        ({"other": ["approve"]}, ["approve", "reject", "edit", "respond"]),
        ({"other": ["approve"], "*": ["respond"]}, ["respond"]),
    ],
)
def test_a_workflow_says_which_decisions_it_takes(given: Any, allowed: list[str]) -> None:
    ledger = asking(given)
    assert ledger.pending[0].allowed_decisions == allowed
    assert (ledger.pending[0].input_schema is not None) == ("edit" in allowed)
    values: Any = {"respond": {"response": 1}, "edit": {"arguments": {"amount": 1}, "digest": DIGEST}}
    for verdict in ("approve", "reject", "edit", "respond"):
        decision = {"id": "a", "verdict": verdict, "by": "ana", **values.get(verdict, {})}
        if verdict in allowed:
            ledger.check(decision, NOW)
            continue
        with refusing("NotAllowed") as said:
            ledger.check(decision, NOW)
        assert said[0].endswith(f"Allowed: {', '.join(allowed)}")


def test_where_nothing_is_left_people_may_reject() -> None:
    assert asking(["edit"], schema=None).pending[0].allowed_decisions == ["reject"]
    of = AllowedDecisions({"pay": ["approve", "reject"], "look": ["approve"]}).of
    assert of(["pay", "look"], is_editable=False) == ["approve"]  # one question about both calls
    assert of([], is_editable=False) == ["approve", "reject", "respond"]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("approve", AgentTypeError, "is no collection"),
        ({"pay": "approve"}, AgentTypeError, "is no collection"),
        ({7: ["approve"]}, AgentTypeError, "has the key 7"),
        (["aprove"], AgentValueError, "the unknown kind 'aprove'. Known: ['approve'"),
        ([], AgentValueError, "allows nothing for '*'"),
        ({"pay": []}, AgentValueError, "allows nothing for 'pay'"),
    ],
)
def test_a_wrong_choice_of_decisions_is_named(given: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        AllowedDecisions(given)
    assert words in str(caught.value)


def test_a_client_reads_questions_of_a_release_that_takes_no_edits() -> None:
    assert PendingApproval("a", "approval").allowed_decisions == ["approve", "reject", "respond"]


def test_an_edit_beside_another_yes_is_asked_about_again() -> None:
    """Two people answer two questions about one call: one of them did not see what the other wrote."""
    for order in (("a", "b"), ("b", "a")):
        ledger = Ledger(True, False)
        about = replace(
            asked_by({"toolUseId": "t", "name": "order", "input": ASKED}), schema=SCHEMA, places=[("t",)]
        )
        pause = ledger.ask("agent", [(Interrupt(id_, id_), about) for id_ in order], now=NOW)
        ledger.decide(edit({"amount": 1}), NOW, "1")
        ledger.decide({"id": "b", "verdict": "approve", "by": "bo", "digest": DIGEST}, NOW, "2")
        turn = Turn([])
        for question, record in ledger.settle(pause):
            turn.decided(question, record)
        (granted,) = turn.granted
        assert (granted.edited, granted.arguments) == ({"amount": 1}, ASKED)
