"""The questions and answers of one workflow, without Temporal."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from packages.hitl.tests.approvals_support import asked_by
from strands.interrupt import Interrupt
from temporalio.exceptions import ApplicationError

from strands_temporal_hitl import Decision, digest_of
from strands_temporal_hitl._ledger import Ledger
from strands_temporal_hitl._state import Pause
from strands_temporal_hitl._turn import Asked
from strands_temporal_hitl._values import as_json

NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


def ledger_with(*ids: str, deadline: timedelta | None = None) -> tuple[Ledger, Pause]:
    ledger = Ledger(True, False)
    return ledger, ask(ledger, *ids, deadline=deadline)


def ask(ledger: Ledger, *ids: str, tool_uses: Any = None, now: datetime = NOW, **options: Any) -> Pause:
    about = {id_: asked_by(use) for id_, use in (tool_uses or {}).items()}
    interrupts = [(Interrupt(id_, "approval"), about.get(id_, Asked())) for id_ in ids]
    return ledger.ask("agent", interrupts, now=now, **options)


def decision(id_: str = "a", verdict: str = "approve", by: Any = "ana", **other: Any) -> dict[str, Any]:
    return {"id": id_, "verdict": verdict, "by": by, **other}


def kind(ledger: Ledger, value: Any, now: datetime = NOW) -> tuple[str | None, str]:
    with pytest.raises(ApplicationError) as caught:
        ledger.check(value, now)
    assert caught.value.non_retryable
    return caught.value.type, caught.value.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not None"),
        ([1], "a decision is an object"),
        ({}, "id=None is not valid text"),
        (
            decision(verdict="aprove"),
            "verdict='aprove' is not one of ['approve', 'reject', 'edit', 'respond', 'delegate']",
        ),
        (decision(by=""), "by is empty"),
        (decision(by=7), "by=7 is not valid text"),
        (decision(reason=["x"]), "reason=['x'] is not valid text"),
        (decision(resaon="x"), "unknown field 'resaon'. Known: ['id', 'verdict', 'by', 'reason'"),
        (decision(verdict="respond"), "a response belongs to the verdict 'respond'"),
        (decision(verdict="respond", response=None), "may not be null"),
        (decision(response=True), "a response belongs to the verdict 'respond'"),
        (decision(early="yes"), "early='yes' is not true or false"),
        (decision(verdict="respond", response="\ud800"), "response cannot be kept"),
        (decision(reason="\ud800"), "is not valid text"),
    ],
)
def test_what_is_malformed_is_named(value: Any, words: str) -> None:
    ledger, _ = ledger_with("a")
    type_, message = kind(ledger, value)
    assert type_ == "MalformedDecision"
    assert words in message
    assert ledger.records == []


def test_a_decision_goes_over_the_wire_and_back() -> None:
    for original in (
        Decision("a", "approve", "ana"),
        Decision("a", "respond", "ana", "why", False, "sha256:1", True),
        Decision("a", "respond", "ana", response=0),
    ):
        assert Decision.from_wire(original.to_wire()) == original


def test_just_before_the_deadline_is_in_time_and_at_it_is_not() -> None:
    ledger, _ = ledger_with("a", deadline=HOUR)
    moment = timedelta(microseconds=1)
    assert kind(ledger, decision(), NOW + HOUR) == (
        "PastDeadline",
        "The deadline of 'a' passed at 2030-01-01T01:00:00+00:00",
    )
    assert ledger.decide(decision(), NOW + HOUR - moment, "u").outcome == "approved"


def test_what_expired_says_so_afterwards() -> None:
    ledger, pause = ledger_with("a", "b", deadline=HOUR)
    ledger.decide(decision("b"), NOW, None)
    assert ledger.is_open(pause)
    ledger.close(pause, "expired", "late", NOW + HOUR)
    assert [(r.id, r.outcome, r.response) for r in ledger.records] == [
        ("b", "approved", True),
        ("a", "expired", False),
    ]
    assert kind(ledger, decision("a"))[0] == "PastDeadline"
    assert kind(ledger, decision("b"))[0] == "AlreadyDecided"
    assert not ledger.is_open(pause)
    assert [record.outcome for _, record in ledger.settle(pause)] == ["expired", "approved"]
    assert ledger.state.pauses == []


def test_an_id_that_returns_is_another_question() -> None:
    ledger, first = ledger_with("a")
    second = ask(ledger, "a")  # another agent's question, at the same time
    ledger.decide(decision("a"), NOW, None)
    third = ask(ledger, "a")
    questions = [question for pause in (first, second, third) for question in pause.questions]
    assert [question.pending.id for question in questions] == ["a", "a#2", "a#3"]
    assert {question.interrupt_id for question in questions} == {"a"}
    assert kind(ledger, decision("a"))[0] == "AlreadyDecided"
    assert len({pause.notice_id for pause in (first, second, third)}) == 3


def test_an_early_decision_is_used_once_and_only_where_it_digest_matches() -> None:
    use: Any = {"toolUseId": "t", "name": "delete", "input": {"path": "/a"}}
    ledger = Ledger(True, False)
    ledger.decide(decision(early=True, digest=digest_of("delete", {"path": "/a"})), NOW, "u1")
    ledger.decide(decision("b", early=True, digest=digest_of("delete", {"path": "/b"})), NOW, "u2")
    pause = ask(ledger, "a", "b", tool_uses={"a": use, "b": use}, now=NOW + HOUR)
    assert [p.id for p in ledger.pending] == ["b"]
    a, b = ledger.records
    assert (a.id, a.outcome, a.early, a.at, a.tool) == ("a", "approved", True, NOW.isoformat(), "delete")
    assert (b.id, b.outcome, b.response) == ("b", "refused", None)
    assert ledger.decide(decision("b"), NOW + HOUR, "u3").outcome == "approved"
    assert not ledger.is_open(pause)
    assert ledger.is_open(ask(ledger, "a", tool_uses={"a": use}))


def test_an_early_yes_to_whatever_arguments_is_refused_and_an_early_no_counts() -> None:
    use: Any = {"toolUseId": "t", "name": "delete", "input": {"path": "/a"}}
    ledger = Ledger(True, False)
    for id_, verdict in (("a", "approve"), ("b", "reject"), ("c", "approve")):
        ledger.decide(decision(id_, verdict, early=True), NOW, None)
    ask(ledger, "a", "b", "c", tool_uses={"a": use, "b": use})  # c belongs to no tool call
    assert [(r.id, r.outcome) for r in ledger.records] == [
        ("a", "refused"),
        ("b", "rejected"),
        ("c", "approved"),
    ]
    assert "without a digest" in str(ledger.records[0].reason)
    assert [p.id for p in ledger.pending] == ["a"]


def test_every_text_of_a_question_can_be_sent() -> None:
    use: Any = {"toolUseId": "t", "name": "\ud800", "input": {"path": "\ud800"}}
    ledger = Ledger(True, False)
    pause = ledger.ask("agent", [(Interrupt("\ud800", "\ud800"), asked_by(use))], now=NOW)
    (question,) = pause.questions
    assert question.interrupt_id == "\ud800"
    json.dumps(asdict(question.pending), ensure_ascii=False).encode()
    ledger.decide(decision(question.pending.id), NOW, None)
    assert not ledger.is_open(pause)


def test_a_digest_tells_calls_apart_but_not_the_order_of_their_arguments() -> None:
    assert digest_of("t", {"a": 1, "b": 2}) == digest_of("t", {"b": 2, "a": 1})
    others = [
        digest_of("t", {"a": 1}),
        digest_of("u", {"a": 1}),
        digest_of("t", {"a": "1"}),
        digest_of("t", None),
    ]
    assert len(set(others)) == 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None]}, {"a": [1, None]}),
        ((1, 2), [1, 2]),
        (float("nan"), "nan"),
        (HOUR, "1:00:00"),
        ("\ud800", "\\ud800"),
        (b"x", "b'x'"),
    ],
)
def test_every_reason_can_be_shown(value: Any, expected: Any) -> None:
    assert as_json(value) == expected
