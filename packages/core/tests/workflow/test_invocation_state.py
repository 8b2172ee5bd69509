"""Changes that a tool makes to its copy of the invocation state reach the caller's object."""

from typing import Any

import pytest
from hypothesis import given
from packages.core.tests.wire.wire_values import values

from strands_temporal._wire.values import is_json
from strands_temporal._worker.invocation_state import changes
from strands_temporal._workflow.invocation_state import apply_changes


def as_dict(value: Any) -> dict[str, Any]:
    return {"value": value}


@given(before=values, after=values.filter(is_json))
def test_changes_lead_from_any_state_to_any_other(before: Any, after: Any) -> None:
    state = as_dict(before)
    apply_changes(state, changes(as_dict(before), as_dict(after)))
    assert state == as_dict(after)


@pytest.mark.parametrize("value", [float("inf"), object()])
def test_what_is_not_json_stays_on_the_worker(value: Any) -> None:
    assert changes(as_dict(1), as_dict(value)) == []


def test_nothing_changed_is_nothing() -> None:
    assert changes({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}) == []


def test_a_place_that_has_become_another_thing_meanwhile() -> None:
    state: dict[str, Any] = {"a": "text", "b": 1}
    apply_changes(state, [["set", ["a", "x", "y"], 2], ["extend", ["b"], [3]], ["delete", ["c", "d"]]])
    assert state == {"a": {"x": {"y": 2}}, "b": [3], "c": {}}
