"""A policy alone: which layer answers, what a condition compares, and the errors in its JSON. No server."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strands_temporal import AgentTypeError, AgentValueError
from strands_temporal_hitl import ApprovalPolicy, TrustedCalls, digest_of
from strands_temporal_hitl._policy import Step

NOW = datetime(2026, 11, 30, tzinfo=timezone.utc)


def when(path: Any, op: str, *value: Any) -> dict[str, Any]:
    return {"path": path, "op": op, **({"value": value[0]} if value else {})}


POLICY: dict[str, Any] = {
    "version": "v7",
    "deny": [
        {
            "name": "etc",
            "tools": ["delete_*"],
            "when": [when("path", "startswith", "/etc")],
            "reason": "never below /etc",
        }
    ],
    "safe": ["read_*"],
    "rules": [
        {
            "name": "large",
            "tools": ["refund"],
            "when": [when("amount", ">", 5000)],
            "then": "deny",
            "reason": "too much",
        },
        {
            "name": "to eve",
            "tools": ["refund"],
            "when": [when("to", "==", "eve")],
            "then": "ask",
            "reason": "eve?",
        },
        {"name": "small", "tools": ["refund"], "when": [when("amount", "<=", 100)], "then": "approve"},
    ],
}
TRUSTED = [
    TrustedCalls("delete_file", by="ana"),
    TrustedCalls("refund", digest_of("refund", {"amount": 900, "to": "bob"}), by="bob"),
    TrustedCalls("post", until=(NOW + timedelta(hours=1)).isoformat(), by="cy"),
]

LAYERS: list[tuple[str, Any, tuple[str, str, str]]] = [
    ("delete_file", {"path": "/etc/passwd"}, ("deny", "deny", "etc")),  # before the trust in delete_file
    ("delete_file", {"path": "/tmp/x"}, ("approve", "trust", "delete_file")),  # noqa: S108
    ("delete_file", {}, ("ask", "deny", "etc")),  # it cannot be compared: the trust does not count
    ("delete_file", {"path": 5}, ("ask", "deny", "etc")),
    ("delete_dir", {"path": "/srv"}, ("ask", "people", "")),
    ("post", {"a": 1}, ("approve", "trust", "post")),
    ("read_file", {"path": "/etc/passwd"}, ("approve", "safe", "read_*")),
    ("refund", {"amount": 900, "to": "bob"}, ("approve", "trust", f"refund with {TRUSTED[1].digest}")),
    ("refund", {"amount": 901, "to": "bob"}, ("ask", "people", "")),
    ("refund", {"amount": 9000, "to": "bob"}, ("deny", "rules", "large")),
    ("refund", {"amount": 5, "to": "eve"}, ("ask", "rules", "to eve")),  # the order of the rules
    ("refund", {"amount": 5, "to": "bob"}, ("approve", "rules", "small")),
    ("refund", {"amount": "5", "to": "bob"}, ("ask", "rules", "large")),
    ("refund", {"to": "bob"}, ("ask", "rules", "large")),
    ("refund", "no object", ("ask", "rules", "large")),
    ("Read_file", {}, ("ask", "people", "")),
]


@pytest.mark.parametrize(("tool", "arguments", "answer"), LAYERS)
def test_the_first_layer_that_answers_wins(tool: str, arguments: Any, answer: Any) -> None:
    steps: list[Step] = []
    found = ApprovalPolicy.from_json(POLICY).judge(tool, arguments, trusted=TRUSTED, now=NOW, steps=steps)
    assert (found.outcome, found.layer, found.rule) == answer
    assert [each.rule for each in steps if each.matched] == ([answer[2]] if answer[2] else [])
    assert all(each.why for each in steps if not each.matched)


def test_trust_ends_at_its_time_and_says_who() -> None:
    policy = ApprovalPolicy(version="1")
    assert policy.judge("post", {}, trusted=TRUSTED, now=NOW).by == "cy"
    for late in (NOW + timedelta(hours=1), None):
        assert policy.judge("post", {}, trusted=TRUSTED, now=late).layer == "people"


YES, NO, PERSON = True, False, None
CONDITIONS: list[tuple[Any, Any, bool | None]] = [
    (when("a", "==", 1), {"a": 1.0}, YES),
    (when("a", "==", 1), {"a": True}, PERSON),
    (when("a", "==", 1), {"a": "1"}, PERSON),
    (when("a", "==", [1, {"b": 2}]), {"a": [1, {"b": 2}]}, YES),
    (when("a", "==", [1]), {"a": [True]}, NO),
    (when("a", "==", None), {"a": None}, YES),
    (when("a", "==", None), {"a": 0}, NO),
    (when("a", "!=", None), {"a": 0}, YES),
    (when("a", "!=", "x"), {"a": "y"}, YES),
    (when("a", "!=", "x"), {"a": 5}, PERSON),
    (when("a", "!=", "x"), {}, PERSON),
    (when("a", "<", 5), {"a": 4.5}, YES),
    (when("a", "<", 5), {"a": 5}, NO),
    (when("a", "<=", 5), {"a": 5}, YES),
    (when("a", ">", 5), {"a": True}, PERSON),
    (when("a", ">=", 5), {"a": 10**400}, YES),
    (when("a", ">=", 5), {"a": None}, PERSON),
    (when("a", "in", ["x", 1]), {"a": 1}, YES),
    (when("a", "in", ["x"]), {"a": "y"}, NO),
    (when("a", "in", ["x"]), {"a": 1}, PERSON),
    (when("a", "not in", ["x"]), {"a": "y"}, YES),
    (when("a", "not in", ["x"]), {"a": 1}, PERSON),
    (when("a", "glob", "/tmp/*"), {"a": "/tmp/x"}, YES),  # noqa: S108
    (when("a", "glob", "*.PDF"), {"a": "x.pdf"}, NO),
    (when("a", "startswith", "x"), {"a": ["x"]}, PERSON),
    (when("a", "contains", "b"), {"a": "abc"}, YES),
    (when("a", "exists"), {"a": None}, YES),
    (when("a", "exists"), {}, NO),
    (when("a", "exists", False), {}, YES),
    (when("a", "type", "integer"), {"a": 3.0}, YES),
    (when("a", "type", "integer"), {"a": 3.5}, NO),
    (when("a", "type", "integer"), {"a": 10**400}, YES),
    (when("a", "type", "array"), {}, PERSON),
    (when("a.0.b", "==", 1), {"a": [{"b": 1}]}, YES),
    (when(["a", 1], "exists"), {"a": [{"b": 1}]}, NO),
    (when(["a.b"], "==", 1), {"a.b": 1}, YES),
    (when("a.b", "==", 1), {"a.b": 1}, PERSON),
]


@pytest.mark.parametrize(("condition", "arguments", "holds"), CONDITIONS)
def test_a_condition_compares_typed_values_and_fails_closed(
    condition: Any, arguments: Any, holds: Any
) -> None:
    rule = {"name": "r", "tools": ["*"], "when": [condition]}
    approving = ApprovalPolicy(version="1", rules=[{**rule, "then": "approve"}])
    denying = ApprovalPolicy(version="1", deny=[{**rule, "reason": "no"}])
    assert approving.judge("t", arguments).outcome == ("approve" if holds else "ask")
    wanted = {True: ("deny", "deny"), False: ("ask", "people"), None: ("ask", "deny")}[holds]
    found = denying.judge("t", arguments)
    assert (found.outcome, found.layer) == wanted


def test_a_condition_that_does_not_hold_settles_a_rule() -> None:
    guarded = [when("path", "startswith", "/etc"), when("path", "exists")]
    policy = ApprovalPolicy(
        version="1", deny=[{"name": "r", "tools": ["*"], "when": guarded, "reason": "no"}], safe=["now"]
    )
    assert policy.judge("now", {}).layer == "safe"


def test_json_there_and_back() -> None:
    policy = ApprovalPolicy.from_json(POLICY)
    again = ApprovalPolicy.from_json(policy.to_json())
    assert (again, again.digest, again.version) == (policy, policy.digest, "v7")
    assert ApprovalPolicy(**POLICY) == policy
    assert policy.data == {"schema": 1, **POLICY}
    policy.data["safe"].append("*")
    assert ApprovalPolicy.from_json(policy.to_json().encode()) == policy != ApprovalPolicy(version="v7")


def changed(*place: Any, to: Any = ...) -> Any:
    """Return the policy with another value at a place; without one if none is given."""
    value = json.loads(json.dumps(POLICY))
    at = value
    for part in place[:-1]:
        at = at[part]
    if to is ...:
        del at[place[-1]]
    else:
        at[place[-1]] = to
    return value


FAULTS: list[tuple[Any, str]] = [
    (
        changed("rules", 2, "when", 0, "op", to="gt"),
        "rules[2].when[0].op: 'gt' is unknown. Known: ==, !=, <, <=, >, >=, in, not in, glob, startswith, "
        "contains, exists, type. Did you mean '>'?",
    ),
    (
        changed("rules", 0, "then", to="aprove"),
        "rules[0].then: 'aprove' is unknown. Known: approve, ask, deny",
    ),
    (changed("rules", 0, "then", to=["ask"]), "rules[0].then: ['ask'] is unknown"),
    (
        changed("rules", 0, "tool", to=["x"]),
        "rules[0].tool: is unknown. Known: name, tools, when, then, reason, deciders, time. Did",
    ),
    (changed("rules", 0, "reason"), "rules[0].reason: is missing"),
    (changed("rules", 0, "name", to=" "), "rules[0].name: is empty"),
    (changed("rules", 1, "name", to="large"), "rules[1].name: 'large' is the name of rules[0] too"),
    (changed("rules", 1, "tools", to=[]), "rules[1].tools: is empty"),
    (changed("rules", 1, "tools", to="refund"), "rules[1].tools: 'refund' is not a list. Write ['refund']"),
    (changed("rules", 1, "tools", to=[1]), "rules[1].tools[0]: 1 is not text"),
    (changed("rules", 1, "when", to={}), "rules[1].when: {} is not a list"),
    (
        changed("rules", 1, "when", 0, "value"),
        "rules[1].when[0].value: is missing. '==' takes any JSON value",
    ),
    (changed("rules", 2, "when", 0, "value", to="5"), "rules[2].when[0].value: '<=' takes a number, not '5'"),
    (
        changed("rules", 2, "when", 0, "value", to=True),
        "rules[2].when[0].value: '<=' takes a number, not True",
    ),
    (changed("rules", 2, "when", 0, "path", to="a..b"), "rules[2].when[0].path: 'a..b' has the part ''"),
    (changed("rules", 2, "when", 0, "path", to=[]), "rules[2].when[0].path: [] is no path"),
    (changed("deny", 0, "then", to="ask"), "deny[0].then: is unknown. Known: name, tools, when, reason"),
    (changed("deny", 0, "reason"), "deny[0].reason: is missing"),
    (changed("deny", to=None), "deny: None is not a list"),
    (changed("safe", 0, to=""), "safe[0]: is empty"),
    (changed("version"), "version: is missing"),
    (changed("version", to=7), "version: 7 is not text"),
    (changed("version", to="v" * 201), "version: has 201 characters, and may have 200"),
    (changed("schema", to=2), "schema: 2 is unknown. This release knows 1"),
    (changed("schema", to=True), "schema: True is not a whole number"),
    (
        changed("rule", to=[]),
        "rule: is unknown. Known: schema, version",
    ),
    (changed("safe", to=["x" * 190] * 600), "it has"),
    (changed("safe", to=["\ud800"]), "not JSON"),
    ([], "[] is not an object"),
    ('{"version": "1", "version": "2"}', "not JSON: 'version' is there twice"),
    ('{"version": NaN}', "not JSON: NaN is not JSON"),
    ("{", "not JSON"),
    ("[" * 100_000, "not JSON"),
    (b"\xff", "not JSON"),
]


@pytest.mark.parametrize(("value", "text"), FAULTS, ids=[text[:40] for _, text in FAULTS])
def test_a_fault_names_its_place(value: Any, text: str) -> None:
    with pytest.raises(AgentValueError) as caught:
        ApprovalPolicy.from_json(json.dumps(value) if isinstance(value, list) else value)
    assert str(caught.value).startswith(f"ApprovalPolicy: {text}")


def test_the_policy_of_the_docs_is_one() -> None:
    page = Path(__file__).parents[3] / "docs" / "approval-policies.md"
    policy = ApprovalPolicy.from_json(page.read_text().split("```json")[1].split("```")[0])
    assert policy.judge("refund", {"amount": 90, "order": "EU-7"}).rule == "small"
    assert policy.judge("refund", {"amount": "9000", "order": "EU-7"}).outcome == "ask"


def test_only_text_and_objects_are_policies() -> None:
    with pytest.raises(AgentTypeError, match="neither JSON text nor an object"):
        ApprovalPolicy.from_json(5)  # pyright: ignore[reportArgumentType]


KEYS = [
    "schema",
    "version",
    "deny",
    "safe",
    "rules",
    "name",
    "tools",
    "when",
    "then",
    "reason",
    "path",
    "op",
    "value",
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from([*KEYS, "==", "in", "approve"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda of: st.lists(of, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), of, max_size=6),
    max_leaves=25,
)
CONDITION = st.fixed_dictionaries(
    {"path": VALUES, "op": st.sampled_from(["==", "<", "in", "glob", "type"])}, optional={"value": VALUES}
)
RULE = st.fixed_dictionaries(
    {"name": st.text(), "tools": st.lists(st.text(), max_size=2)},
    optional={"then": LEAVES, "when": st.lists(CONDITION | VALUES, max_size=2), "reason": LEAVES},
)
POLICIES = st.fixed_dictionaries(
    {"version": st.just("1") | LEAVES},
    optional={"rules": st.lists(RULE | VALUES, max_size=3), "deny": VALUES, "safe": VALUES},
)


@given(value=POLICIES | VALUES.filter(lambda value: isinstance(value, dict)), arguments=VALUES)
@settings(max_examples=200, deadline=None)
def test_any_data_is_a_policy_that_judges_or_one_typed_error(value: Any, arguments: Any) -> None:
    try:
        policy = ApprovalPolicy.from_json(value)
    except AgentValueError:
        return
    again = ApprovalPolicy.from_json(policy.to_json())
    assert again == policy
    assert again.judge("refund", arguments) == policy.judge("refund", arguments)
