"""Activity options: checked and merged with the defaults."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any, cast

from temporalio.api.common.v1 import RetryPolicy as RetryPolicyProto
from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType, ActivityConfig, VersioningIntent

from .._errors import AgentTypeError, AgentValueError, coded, did_you_mean
from .._wire.tool_call import TOOL_HEARTBEAT_TIMEOUT

ActivityOptions = ActivityConfig
"""Options of the activities behind a model, a tool, a hook: the keys of `temporalio.workflow.ActivityConfig`.

`activity_id` is refused: a handle may be called twice at once, and a second activity with the same id would
make the workflow task fail forever.
"""

MODEL_DEFAULTS: ActivityOptions = {
    # The SDKs of OpenAI and Anthropic also allow ten minutes for one request by default.
    "start_to_close_timeout": timedelta(minutes=10),
    # The activity heartbeats automatically, so a cancelled workflow stops a call in flight: the SDK sends a
    # heartbeat after at most 80 % of this, here 12 s. A dead worker is noticed as fast.
    "heartbeat_timeout": timedelta(seconds=15),
    # The attempts last about five minutes. Strands' own strategy gives up after two.
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=1), maximum_attempts=10
    ),
}

MODEL_SETTINGS = frozenset({"streaming_topic", "streaming_batch_interval"})
"""Settings of a `TemporalModel` that are not activity options. A `TemporalAgent` passes them to its model."""

STREAMING_BATCH_INTERVAL = timedelta(milliseconds=100)
"""Default time between two batches of a stream, as the guide promises."""

TOOL_RETRIES = RetryPolicy(maximum_attempts=3)
"""The default of tools, hooks and sandboxes. It is known by identity: see `activities._lost_workers`."""

TOOL_DEFAULTS: ActivityOptions = {
    # Most tools make one request. Users set a longer time where they need one.
    "start_to_close_timeout": timedelta(minutes=1),
    # The model must see a permanent failure of a tool while it still matters.
    "retry_policy": TOOL_RETRIES,
}


HEARTBEATING_TOOL_DEFAULTS: ActivityOptions = {
    **TOOL_DEFAULTS,
    # Our activities heartbeat automatically: a cancelled workflow stops them, and a dead worker is noticed.
    "heartbeat_timeout": TOOL_HEARTBEAT_TIMEOUT,
}


def tool_defaults(options: ActivityOptions) -> ActivityOptions:
    """Return the defaults for a user's activity that is a tool or a hook.

    A worker on another task queue may lack the plugin, which sends the heartbeats. So activities on another
    task queue have no heartbeat timeout.
    """
    if options.get("task_queue") is not None:
        return TOOL_DEFAULTS
    return HEARTBEATING_TOOL_DEFAULTS


_KNOWN = frozenset(ActivityConfig.__annotations__)
_TYPES: dict[str, type[Any]] = {
    "cancellation_type": ActivityCancellationType,
    "priority": Priority,
    "retry_policy": RetryPolicy,
    "summary": str,
    "task_queue": str,
    "versioning_intent": VersioningIntent,
}
_DURATIONS = (
    "schedule_to_close_timeout",
    "schedule_to_start_timeout",
    "start_to_close_timeout",
    "heartbeat_timeout",
)


def activity_option_names() -> frozenset[str]:
    """Return the option names that are activity options, including `activity_id`."""
    return _KNOWN


def merge_options(owner: str, defaults: ActivityOptions, given: Mapping[str, Any]) -> ActivityOptions:
    """Check the given options, and return them merged over the defaults.

    If the user gives `schedule_to_close_timeout`, the default `start_to_close_timeout` and the default retry
    policy do not apply: the user's timeout already limits the attempts.

    Args:
        owner: Owner of the options, for messages: "TemporalModel('claude')".
        defaults: Values for options that are not given.
        given: Activity options as the user gave them; a value of None counts as not given.

    Raises:
        AgentTypeError: If an option is unknown or of a wrong type.
        AgentValueError: If a timeout is not positive, or `activity_id` is given.
    """
    for name, value in given.items():
        _check(owner, name, value)
    chosen = {name: value for name, value in given.items() if value is not None}
    merged: dict[str, Any] = {**defaults, **chosen}
    if "schedule_to_close_timeout" in chosen:
        for name in ("start_to_close_timeout", "retry_policy"):
            if name not in chosen:
                merged.pop(name, None)
    return cast("ActivityOptions", merged)


def _check(owner: str, name: str, value: Any) -> None:
    if name == "activity_id":
        raise AgentValueError(
            f"{owner}: activity_id={value!r} cannot be set: {owner} may run twice at once, and a second "
            "activity with the same id makes the workflow task fail forever. Leave it out; use `summary` to "
            "label the activity"
        )
    check_option(owner, name, value, _KNOWN - {"activity_id"}, _TYPES, _DURATIONS, unit="seconds")
    if name == "task_queue" and value == "":
        raise AgentValueError(f"{owner}: task_queue is empty. Leave it out for the workflow's own task queue")


def check_option(
    owner: str,
    name: str,
    value: Any,
    known: Collection[str],
    types: Mapping[str, type[Any]],
    durations: Collection[str],
    *,
    unit: str,
) -> None:
    """Check one option of an activity or a child workflow. A value of None counts as not given.

    Args:
        owner: Owner of the option, for messages: "TemporalModel('claude')".
        name: Name of the option.
        value: Its value.
        known: Names of the options that may be given.
        types: Classes of the values, by option.
        durations: Names of the options that are positive durations.
        unit: Unit of such a duration, for messages: "seconds".

    Raises:
        AgentTypeError: If the option is unknown or of a wrong type.
        AgentValueError: If a duration is not positive, or a retry policy cannot work.
    """
    if name not in known:
        names = sorted(known)
        raise AgentTypeError(
            coded("ST104", f"{owner}: unknown option {name!r}.{did_you_mean(name, names)} Known: {names}")
        )
    if value is None:
        return
    if name in durations:
        if not isinstance(value, timedelta):
            raise AgentTypeError(f"{owner}: {name}={value!r} is not a timedelta. Write timedelta({unit}=...)")
        if value <= timedelta(0):
            raise AgentValueError(f"{owner}: {name}={value!r} is not positive")
    expected = types.get(name)
    if expected is not None and not isinstance(value, expected):
        raise AgentTypeError(
            f"{owner}: {name}={value!r} is not a {expected.__module__}.{expected.__qualname__}"
        )
    if isinstance(value, RetryPolicy):
        _check_retry_policy(owner, value)


def _check_retry_policy(owner: str, policy: RetryPolicy) -> None:
    try:
        policy.apply_to_proto(RetryPolicyProto())
    except ValueError as error:
        raise AgentValueError(f"{owner}: {policy!r} cannot work: {error}") from error
    except (TypeError, AttributeError) as error:  # the class accepts anything and raises here
        raise AgentTypeError(f"{owner}: a value in {policy!r} has a wrong type: {error}") from error
