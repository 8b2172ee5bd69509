"""Selects the values of the caller's `invocation_state` to send. Applies the changes that come back."""

from collections.abc import Mapping
from typing import Any, cast

from temporalio import workflow

from .._wire.model_call import REQUEST_STATE
from .._wire.tool_call import Changes
from .._wire.values import decode, encode, is_json

STRANDS_STATE_KEYS = frozenset(
    {
        "agent",
        "event_loop_cycle_id",
        "event_loop_cycle_span",
        "event_loop_cycle_trace",
        "event_loop_parent_cycle_id",
        "messages",
        "model",
        "system_prompt",
        "tool_config",
    }
)
"""Keys that Strands itself adds to `invocation_state` (1.62): the agent and, after a tool call, another copy
of the conversation. They are never sent to an activity."""


def user_invocation_state(owner: str, state: dict[str, Any], warned: set[str]) -> dict[str, Any]:
    """Return the caller's JSON values in `state`, encoded. Warn once about each value that cannot be sent.

    Args:
        owner: Name of the caller, for the warning: "TemporalModel('claude')".
        state: Strands' `invocation_state`.
        warned: Keys that a warning has already named. New ones are added.
    """
    crossing: dict[str, Any] = {}
    for key, value in state.items():
        if key in STRANDS_STATE_KEYS or (key == REQUEST_STATE and not value):
            continue
        if is_json({key: value}):
            crossing[key] = encode(value)
        elif key not in warned:
            warned.add(key)
            workflow.logger.warning(
                "owner=<%s>, key=<%s>, type=<%s> | invocation_state value is not JSON and stays in the "
                "workflow",
                owner,
                key,
                type(value).__name__,
            )
    return crossing


def apply_changes(state: dict[str, Any], changed: Changes) -> None:
    """Apply a tool's changes to the caller's state, in place."""
    for kind, (*way, last), *values in changed:
        inner: Any = state
        for key in way:
            known = inner.get(key)
            inner[key] = inner = known if isinstance(known, dict) else {}
        old, new = inner.get(last), decode(values[0]) if values else None
        if kind == "delete":
            inner.pop(last, None)
        elif isinstance(old, list) and isinstance(new, list):  # in place: the caller may hold the list
            old[len(cast("list[Any]", old)) if kind == "extend" else 0 :] = new
        else:
            inner[last] = new


def write_back(state: dict[str, Any], changed: Mapping[str, Any], removed: list[str]) -> None:
    """Apply a model's changes to the caller's state.

    Changes dicts and lists in place, as a model in the workflow would: the caller may hold them.
    """
    for key in removed:
        state.pop(key, None)
    for key, encoded in changed.items():
        old, new = state.get(key), decode(encoded)
        if isinstance(old, dict) and isinstance(new, dict):
            cast("dict[str, Any]", old).clear()
            cast("dict[str, Any]", old).update(cast("dict[str, Any]", new))
        elif isinstance(old, list) and isinstance(new, list):
            old[:] = new
        else:
            state[key] = new
