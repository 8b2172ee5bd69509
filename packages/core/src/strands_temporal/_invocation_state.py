"""The caller's part of Strands' `invocation_state`: what crosses to activities, and what comes back."""

from collections.abc import Mapping
from typing import Any, cast

from temporalio import activity, workflow

from ._wire import decode, encode, is_json

REQUEST_STATE = "request_state"
"""Key under which Strands keeps a mapping for hooks, tools and models; there from the start, mostly empty."""

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


def models_state(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a model on the worker gets: what was sent, and the mapping that Strands always keeps."""
    state = cast("dict[str, Any]", decode(sent))
    state.setdefault(REQUEST_STATE, {})
    return state


def written(sent: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what a model wrote into its state, encoded, and the keys it took out. Runs on the worker.

    Args:
        sent: What came from the workflow, encoded.
        state: What `models_state` returned, after the call.
    """
    before = {REQUEST_STATE: {}, **sent}
    changed: dict[str, Any] = {}
    for key, value in state.items():
        if not is_json({key: value}):
            activity.logger.warning(
                "key=<%s>, type=<%s> | the model wrote an invocation_state value that is not JSON; it stays "
                "on the worker",
                key,
                type(value).__name__,
            )
        elif key not in before or encode(value) != before[key]:
            changed[key] = encode(value)
    return changed, sorted(sent.keys() - state.keys())


def write_back(state: dict[str, Any], changed: Mapping[str, Any], removed: list[str]) -> None:
    """Bring the caller's state to where the model left its own. Runs in the workflow.

    Dicts and lists are changed in place, as the model would have done: the caller may hold them.
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
