"""The caller's part of Strands' `invocation_state`: what crosses to activities."""

from typing import Any

from temporalio import workflow

from ._wire import encode, is_json

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
"""Keys that Strands itself puts into `invocation_state` (1.62): the agent and, after a tool call, the
conversation once more. They never cross to the activity."""


def users_state(owner: str, state: dict[str, Any], warned: set[str]) -> dict[str, Any]:
    """Return the caller's JSON values in `state`, encoded; name once what cannot cross. Runs in the workflow.

    Args:
        owner: Whose call it is, for the warning: "TemporalModel('claude')".
        state: Strands' `invocation_state`.
        warned: Keys that were named before; added to.
    """
    crossing: dict[str, Any] = {}
    for key, value in state.items():
        if key in STRANDS_STATE_KEYS or (key == "request_state" and not value):
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
