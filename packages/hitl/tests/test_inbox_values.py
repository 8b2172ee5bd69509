"""How the inbox shows and edits values: trees, changes, fields, and lists with filters."""

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from starlette.requests import Request

from strands_temporal_hitl import ApprovalRecord, PendingApproval, Person, ShownCall, Vote
from strands_temporal_hitl._inbox.access import Visitor
from strands_temporal_hitl._inbox.conversation import Said
from strands_temporal_hitl._inbox.decisions import TRUST_TIMES, decision_of
from strands_temporal_hitl._inbox.errors import PageError
from strands_temporal_hitl._inbox.forms import blank_edit, checked_arguments, read_edit
from strands_temporal_hitl._inbox.index import Entry, Waiting
from strands_temporal_hitl._inbox.listing import PAGE, Filter, listing, may_decide
from strands_temporal_hitl._inbox.pages import Pages, seen
from strands_temporal_hitl._inbox.questions import Found, view
from strands_temporal_hitl._inbox.sign_in import SignedIn
from strands_temporal_hitl._inbox.values import Change, brief, changes, readable_json, tree
from strands_temporal_hitl._workflows import ListedWorkflow

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "description": "The order."},
        "amount": {"type": "number"},
        "days": {"type": "integer"},
        "urgent": {"type": "boolean"},
        "kind": {"enum": ["money", "voucher"]},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["number", "amount"],
}
GIVEN = {"number": "A-7", "amount": 40.0, "notes": ["a"], "extra": {"b": 1}}


def question(arguments: Any = None, **values: Any) -> PendingApproval:
    given: dict[str, Any] = {
        "id": "q",
        "name": "approval",
        "tool": "refund",
        "arguments": GIVEN if arguments is None else arguments,
        "digest": "sha256:1",
        "allowed_decisions": ["approve", "reject", "edit"],
        "input_schema": SCHEMA,
    }
    return PendingApproval(**{**given, **values})


def entered(**changed: str) -> dict[str, str]:
    fields = {one.field_name: one.value for one in blank_edit(question()).fields}
    return {**fields, **{f"argument:{name}": value for name, value in changed.items()}}


def test_arguments_that_no_edit_could_keep_have_no_form() -> None:
    deep: Any = None
    for _ in range(3_000):
        deep = [deep]
    with pytest.raises(PageError, match="nested at most 100 levels deep"):
        blank_edit(question({"number": "A-7", "notes": deep}))


def test_the_form_has_a_field_for_each_simple_argument() -> None:
    edit = blank_edit(question())
    kinds = {one.name: (one.kind, one.value, one.is_given, one.is_required) for one in edit.fields}
    assert kinds == {
        "number": ("text", "A-7", True, True),
        "amount": ("number", "40.0", True, True),
        "days": ("integer", "", False, False),
        "urgent": ("boolean", "", False, False),
        "kind": ("choice", "", False, False),
        "notes": ("json", '[\n  "a"\n]', True, False),
        "extra": ("json", '{\n  "b": 1\n}', True, False),
    }
    odd = {field.name: field for field in blank_edit(question({"number": "a\u202eb", "amount": "x"})).fields}
    assert (odd["number"].kind, odd["number"].value) == ("json", '"a\\u202eb"')
    assert (odd["amount"].kind, odd["amount"].value) == ("json", '"x"')


def test_what_a_person_enters_is_read_and_checked_by_the_schema() -> None:
    same = read_edit(question(), entered())
    assert same.arguments == GIVEN
    edit = read_edit(
        question(),
        entered(
            amount="12.5", days="3", urgent="true", kind='"voucher"', number="B 1", extra='{"b": 2}', notes=""
        ),
    )
    assert edit.arguments == {
        "number": "B 1",
        "amount": 12.5,
        "days": 3,
        "urgent": True,
        "kind": "voucher",
        "extra": {"b": 2},
    }
    for name, value, error in (
        ("amount", "much", "is not a number"),
        ("amount", "", "The tool needs it"),
        ("days", "1.5", "not a whole number"),
        ("amount", "NaN", "is not a number"),
        ("notes", "['a']", "not JSON"),
    ):
        bad = read_edit(question(), entered(**{name: value}))
        assert bad.arguments is None
        (field,) = [one for one in bad.fields if one.error]
        assert field.name == name
        assert error in field.error
        assert field.value == value  # what was entered is still there
    unfit = read_edit(question(), entered(kind='"bitcoin"'))
    assert unfit.arguments is None
    assert "bitcoin" in unfit.error
    assert read_edit(question(), {}).arguments is None


def test_all_arguments_may_be_entered_as_json() -> None:
    edit = read_edit(question(), {"arguments": '{"number": "C", "amount": 1}'})
    assert edit.arguments == {"number": "C", "amount": 1}
    for text, error in (
        ("{", "not JSON"),
        ("[]", "no JSON object"),
        ('{"amount": 1}', "number"),
        ('{"number": "C", "amount": 1, "more": 2}', "more"),
        (json.dumps({"number": "x" * 260_000, "amount": 1}), "may have 250,000"),
        ("[" * 100_000, "not JSON"),
    ):
        bad = read_edit(question(), {"arguments": text})
        assert bad.arguments is None
        assert error in bad.error
        assert bad.json == text
        with pytest.raises(PageError):
            checked_arguments(question(), text)
    for cannot in (question("cut text"), question(allowed_decisions=["approve"])):
        with pytest.raises(PageError):
            blank_edit(cannot)


def test_long_values_are_folded_and_deep_ones_are_bounded() -> None:
    node = tree({"short": "a", "long": "x" * 500, "list": list(range(50)), "none": None, "yes": True})
    parts = dict(node.parts)
    assert [(name, part.kind, part.folded) for name, part in parts.items()] == [
        ("short", "text", False),
        ("long", "text", True),
        ("list", "list", True),
        ("none", "null", False),
        ("yes", "boolean", False),
    ]
    deep: Any = "end"
    for _ in range(80):
        deep = {"in": deep}
    levels = 0
    node = tree(deep)
    while node.parts:
        node, levels = node.parts[0][1], levels + 1
    assert (node.kind, levels) == ("json", 24)
    wide = tree([[i] for i in range(10_000)])
    assert sum(1 for _, part in wide.parts if part.kind == "json") > 5_000
    assert (
        brief({"text": "a\nb", "list": [1, 2], "more": {"c": 1}, "n": 5})
        == "text: a ⏎ b, list: [2], more: {1}, n: 5"
    )


def test_changes_name_the_places_that_differ() -> None:
    before = {
        "a": 1,
        "b": {"c": [1, 2]},
        "gone": 1,
        "text": "one\ntwo\nthree",
        "is": True,
        "deep": {"x": [True]},
    }
    after = {"a": 1, "b": {"c": [1, 3]}, "new": "x", "text": "one\n2\nthree", "is": 1, "deep": {"x": [1]}}
    found = changes(before, after)
    assert [(one.path, bool(one.before), bool(one.after)) for one in found] == [
        ("b.c.1", True, True),
        ("gone", True, False),
        ("text", True, True),
        ("is", True, True),
        ("deep.x.0", True, True),
        ("new", False, True),
    ]
    assert found[2].lines == [(" ", "one"), ("-", "two"), ("+", "2"), (" ", "three")]
    assert changes(before, before) == []
    many = changes({str(i): i for i in range(400)}, {str(i): -i - 1 for i in range(400)})
    assert [type(one) for one in many] == [Change]


def test_invisible_characters_are_marked_and_markup_is_escaped() -> None:
    assert (
        str(seen("<b>\u202e&\x00"))
        == '&lt;b&gt;<span class="odd">\\u202e</span>&amp;<span class="odd">\\x00</span>'
    )
    text = readable_json({"a": "é\u202e\U000e0041"})
    assert "\\u202e" in text
    assert "é" in text
    assert json.loads(text) == {"a": "é\u202e\U000e0041"}


def test_a_forms_fields_are_a_decision() -> None:
    ana = Person("ana")

    def decided(**form: str) -> dict[str, Any]:
        return decision_of({"digest": "sha256:1", **form}, question(), ana).to_wire()

    usual = {"id": "q", "by": "ana", "digest": "sha256:1"}
    trusting = decided(verdict="approve", trust="tool", trust_time="3600")
    assert trusting == {**usual, "verdict": "approve", "trust": "tool", "trust_seconds": 3600.0}
    assert decided(verdict="reject", reason=" no ") == {**usual, "verdict": "reject", "reason": "no"}
    answer = decided(verdict="respond", response='{"a": 1}', response_kind="json")
    assert answer == {**usual, "verdict": "respond", "response": {"a": 1}}
    handed = decided(verdict="delegate", to_kind="group", to="board")
    assert handed == {**usual, "verdict": "delegate", "to": {"group": "board"}}
    for bad in (
        {"verdict": ""},
        {"verdict": "respond", "response": "null", "response_kind": "json"},
        {"verdict": "respond", "response": "{", "response_kind": "json"},
        {"verdict": "delegate", "to_kind": "all", "to": "x"},
        {"verdict": "approve", "trust": "tool", "trust_time": "7"},
        {"verdict": "reject", "reason": "x" * 20_000},
        {"verdict": "edit", "arguments": "{"},
    ):
        with pytest.raises(PageError):
            decided(**bad)


def test_each_part_of_a_question_is_on_its_page() -> None:
    votes = [Vote("bo", "reject", "2026-01-01T00:00:00+00:00", "too much <b>")]
    asks = question(
        question={"why": "above <b>100</b>"},
        name="approval policy",
        proposed_by="eve",
        original_arguments={"number": "A-7", "amount": 4.0},
        deciders={
            "groups": ["finance"],
            "people": ["ana"],
            "quorum": 1,
            "four_eyes": True,
            "veto": ["board"],
        },
        votes=votes,
        outer=[ShownCall("desk", None, "boss"), ShownCall("clerk")],
        calls=[ShownCall("first", {"a": 1}), ShownCall("second", "x")],
        allowed_decisions=["approve", "reject", "edit", "respond"],
    )
    escalated = ApprovalRecord("q", "n", "escalated", at="2026-01-01T00:00:00+00:00", reason="late")
    shown = view(asks, Person("ana"))
    assert (shown.text, shown.asks_trust, shown.is_mine) == (
        "The agent wants to call refund. Allow it?",
        True,
        True,
    )
    assert shown.can == ["approve", "reject", "edit", "respond", "delegate"]
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "root_path": ""})
    page = Pages().page(
        request,
        "question.html",
        visitor=Visitor(SignedIn(Person("ana", ["finance"])), "token", is_verified=True),
        home=("Conversations", "../"),
        can_sign_out=True,
        found=Found("w", "q", asks, [escalated]),
        question=shown,
        said=[Said("call", "a: 1", "tool"), Said("person", "hello <b>")],
        request_id="1",
        trust_times=TRUST_TIMES,
    )
    text = bytes(page.body).decode()
    assert "<b>" not in text
    for part in (
        "desk</code> of boss",
        "first</code>",
        "Changed by eve",
        "group finance",
        "Not who asked for it.",
        "board",
        "too much &lt;b&gt;",
        "and do not ask again",
        "Escalated",
        "Answer in other words",
        "Hand it on",
        "hello &lt;b&gt;",
        "Sign out",
        'href="../"',
    ):
        assert part in text, part
    assert "style=" not in text
    assert text.count("<script") == text.count('<script type="module" src="/assets/inbox.js">') == 1


def waiting(*pending: PendingApproval, problem: str | None = None) -> Waiting:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    entries = [
        Entry(ListedWorkflow(f"w{i}", "r", "Desk", start), [each], asked_at=1.0)
        for i, each in enumerate(pending)
    ]
    if problem:
        entries.append(Entry(ListedWorkflow("bad", "r", "Desk", start), [], problem, 1.0))
    return Waiting(entries, 0, is_cut=False)


def test_the_list_is_filtered_grouped_and_in_pages() -> None:
    many = [
        PendingApproval(
            f"q{i}", "n", tool=f"tool{i % 3}", agent="clerk" if i % 2 else "boss", asked_at=f"2026-{i:03}"
        )
        for i in range(60)
    ]
    urgent = PendingApproval("u", "n", tool="tool1", asked_at="2027", deadline="2026-06-01T00:00:00+00:00")
    ana = Person("ana", ["finance"])
    first = listing(waiting(*many, urgent, problem="no worker"), Filter(), ana)
    assert (first.total, first.last_page, len(first.groups[0][1])) == (61, 3, PAGE)
    assert [row.pending.id for row in first.groups[0][1][:2] if row.pending] == ["u", "q0"]
    assert [(row.workflow_id, row.problem) for row in first.problems] == [("bad", "no worker")]
    assert (first.tools, first.agents) == (["tool0", "tool1", "tool2"], ["boss", "clerk"])
    some = listing(waiting(*many), Filter(tool="tool1", agent="clerk", group="workflow", page=99), ana)
    assert (some.fitting, len(some.groups)) == (10, 10)
    grouped = listing(waiting(*many), Filter(group="tool"), ana)
    assert [title for title, _ in grouped.groups] == ["tool0", "tool1"]
    chosen = Filter.of({"page": "²", "group": "x", "mine": "1", "tool": "a&b"})
    assert chosen == Filter(tool="a&b", mine=True)
    assert chosen.query(page=2) == "tool=a%26b&mine=1&page=2"


def test_for_me_is_what_the_person_may_decide() -> None:
    ana, bo = Person("ana", ["finance"]), Person("bo")

    def asks(deciders: Any, *votes: str) -> PendingApproval:
        return question(deciders=deciders, votes=[Vote(by, "approve") for by in votes])

    assert may_decide(bo, asks(None))
    assert may_decide(bo, asks({"quorum": 2}))
    assert may_decide(ana, asks({"groups": ["finance"]}))
    assert not may_decide(bo, asks({"groups": ["finance"]}))
    assert may_decide(bo, asks({"groups": ["finance"], "people": ["bo"]}))
    assert may_decide(ana, asks({"groups": ["board"], "veto": ["finance"]}))
    assert not may_decide(ana, asks({"groups": ["finance"]}, "ana"))
    mine = listing(waiting(asks({"groups": ["finance"]}), asks({"people": ["eve"]})), Filter(mine=True), ana)
    assert mine.fitting == 1
