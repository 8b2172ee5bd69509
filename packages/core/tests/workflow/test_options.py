"""Activity options: which are accepted, which are refused with which message, and that they beat defaults."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast, get_type_hints

import pytest
from temporalio import activity
from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig, VersioningIntent

from strands_temporal import AgentTypeError, AgentValueError, TemporalAgent, TemporalModel
from strands_temporal._workflow.options import (
    MODEL_DEFAULTS,
    TOOL_DEFAULTS,
    ActivityOptions,
    activity_option_names,
    merge_options,
)
from strands_temporal.workflow import activity_as_hook, activity_as_tool

VALUES: dict[str, Any] = {
    "task_queue": "gpu",
    "schedule_to_close_timeout": timedelta(hours=1),
    "schedule_to_start_timeout": timedelta(minutes=2),
    "start_to_close_timeout": timedelta(seconds=3),
    "heartbeat_timeout": timedelta(milliseconds=1),
    "retry_policy": RetryPolicy(maximum_attempts=2),
    "cancellation_type": ActivityCancellationType.ABANDON,
    "versioning_intent": VersioningIntent.COMPATIBLE,
    "summary": "a call",
    "event_groups": [],
    "priority": Priority(priority_key=1),
}
DURATIONS = [
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
]


@activity.defn
async def look_up(query: str) -> str:
    """Look something up."""
    return query


def test_every_option_of_temporal_is_known_and_the_table_above_is_whole() -> None:
    assert activity_option_names() == set(get_type_hints(ActivityConfig))
    assert set(VALUES) | {"activity_id"} == activity_option_names()


@pytest.mark.parametrize("name", sorted(VALUES))
def test_each_option_is_taken_as_it_is_given(name: str) -> None:
    assert merge_options("x", {}, {name: VALUES[name]}) == {name: VALUES[name]}
    assert merge_options("x", MODEL_DEFAULTS, {name: VALUES[name]})[name] == VALUES[name]


@pytest.mark.parametrize("name", sorted(VALUES))
def test_none_means_not_given(name: str) -> None:
    assert merge_options("x", {}, {name: None}) == {}
    assert merge_options("x", MODEL_DEFAULTS, {name: None}) == MODEL_DEFAULTS


def test_activity_id_is_refused_with_the_reason() -> None:
    with pytest.raises(AgentValueError, match="activity_id='one'") as refused:
        merge_options("TemporalModel('m')", {}, {"activity_id": "one"})
    assert "TemporalModel('m')" in str(refused.value)
    assert "the same id makes the workflow task fail forever" in str(refused.value)
    assert "summary" in str(refused.value)  # what to do instead


def test_an_unknown_option_is_named_with_the_known_ones() -> None:
    with pytest.raises(AgentTypeError, match="unknown option 'start_to_close'") as refused:
        merge_options("TemporalModel('m')", {}, {"start_to_close": timedelta(seconds=1)})
    for name in VALUES:
        assert repr(name) in str(refused.value)
    assert "activity_id" not in str(refused.value)  # it is not offered


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [60, 1.5, "60s"])
def test_a_duration_must_be_a_timedelta(name: str, value: object) -> None:
    with pytest.raises(AgentTypeError, match=rf"owner: {name}={value!r} is not a timedelta"):
        merge_options("owner", {}, {name: value})


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", [timedelta(0), timedelta(seconds=-1)])
def test_a_duration_must_be_positive(name: str, value: timedelta) -> None:
    with pytest.raises(AgentValueError, match=rf"owner: {name}=.* is not positive"):
        merge_options("owner", {}, {name: value})


@pytest.mark.parametrize("value", [3, {"maximum_attempts": 3}, "never"])
def test_a_retry_policy_must_be_temporals(value: object) -> None:
    with pytest.raises(AgentTypeError, match=r"is not a temporalio\.common\.RetryPolicy"):
        merge_options("owner", {}, {"retry_policy": value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_queue", 5),
        ("summary", 5),
        ("cancellation_type", "TRY_CANCEL"),
        ("priority", 1),
        ("versioning_intent", "compatible"),
    ],
)
def test_other_options_of_a_wrong_type_are_refused(name: str, value: object) -> None:
    # Otherwise, scheduling the activity would fail the workflow task again and again.
    with pytest.raises(AgentTypeError, match=rf"owner: {name}={value!r} is not a "):
        merge_options("owner", {}, {name: value})


def test_values_that_cannot_work_are_refused() -> None:
    with pytest.raises(AgentValueError, match="task_queue is empty"):
        merge_options("owner", {}, {"task_queue": ""})
    with pytest.raises(AgentValueError, match=r"owner: RetryPolicy.* cannot work: "):
        merge_options("owner", {}, {"retry_policy": RetryPolicy(maximum_attempts=-1)})


@pytest.mark.parametrize("defaults", [MODEL_DEFAULTS, TOOL_DEFAULTS], ids=["model", "tool"])
def test_schedule_to_close_alone_decides_alone(defaults: ActivityOptions) -> None:
    merged = merge_options("x", defaults, {"schedule_to_close_timeout": timedelta(hours=1)})
    assert merged.get("schedule_to_close_timeout") == timedelta(hours=1)
    assert "start_to_close_timeout" not in merged
    assert "retry_policy" not in merged
    assert merged.get("heartbeat_timeout") == defaults.get("heartbeat_timeout")


def test_schedule_to_close_leaves_what_else_was_chosen() -> None:
    policy = RetryPolicy(maximum_attempts=1)
    chosen: ActivityOptions = {
        "schedule_to_close_timeout": timedelta(hours=1),
        "start_to_close_timeout": timedelta(minutes=1),
        "retry_policy": policy,
    }
    assert merge_options("x", TOOL_DEFAULTS, chosen) == chosen


def test_start_to_close_keeps_the_default_retry_policy() -> None:
    merged = merge_options("x", MODEL_DEFAULTS, {"start_to_close_timeout": timedelta(seconds=5)})
    assert merged == {**MODEL_DEFAULTS, "start_to_close_timeout": timedelta(seconds=5)}


def test_the_users_retry_policy_wins() -> None:
    policy = RetryPolicy(maximum_attempts=77)
    assert merge_options("x", MODEL_DEFAULTS, {"retry_policy": policy}).get("retry_policy") is policy


def test_defaults_are_not_written_to() -> None:
    before = dict(MODEL_DEFAULTS)
    merge_options("x", MODEL_DEFAULTS, {"schedule_to_close_timeout": timedelta(1), "summary": "s"})[
        "task_queue"
    ] = "q"
    assert before == MODEL_DEFAULTS


def model(options: Any) -> object:
    return TemporalModel("m", **options)


def agent(options: Any) -> object:
    return TemporalAgent("m", **options)


def tool(options: Any) -> object:
    return activity_as_tool(look_up, **options)


def hook(options: Any) -> Any:
    return cast("Any", activity_as_hook)(look_up, **options)


@pytest.mark.parametrize(
    ("make", "owner"),
    [
        (model, "TemporalModel('m')"),
        (agent, "TemporalModel('m')"),
        (tool, "activity_as_tool(look_up)"),
        (hook, "activity_as_hook(look_up)"),
    ],
)
def test_every_owner_of_options_checks_them_when_it_is_made(
    make: Callable[[dict[str, Any]], object], owner: str
) -> None:
    with pytest.raises(AgentValueError, match="is not positive") as refused:
        make({"start_to_close_timeout": timedelta(0)})
    assert str(refused.value).startswith(owner)
    with pytest.raises(AgentValueError, match="activity_id"):
        make({"activity_id": "one"})
    with pytest.raises(AgentTypeError, match="unknown option 'typo'"):
        make({"typo": 1})
