"""The caller's part of Strands' `invocation_state`: what crosses to activities, and what comes back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast

from temporalio import activity, workflow

from .._wire.values import decode, encode, is_json

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


Changes: TypeAlias = Sequence[Sequence[Any]]
"""What a tool changed, in order: "set", "extend" or "delete", the keys on the way there, and the value or
items, encoded."""

_MISSING: Any = object()


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Return what leads from one state to the other. Runs on the worker.

    Of two tools at once each changes its own copy. So a change names the innermost mapping's key, and a list
    that grew names the new items.
    """
    return list(_changes((), before, after))


def apply_changes(state: dict[str, Any], changed: Changes) -> None:
    """Change the caller's state, in place, as a tool did its own. Runs in the workflow."""
    for kind, (*way, last), *values in changed:
        inner: Any = state
        for key in way:
            known = inner.get(key)
            inner[key] = inner = known if isinstance(known, dict) else {}
        old, new = inner.get(last), decode(values[0]) if values else None
        if kind == "delete":
            inner.pop(last, None)
        elif isinstance(old, list) and isinstance(new, list):  # the caller may hold it
            old[len(cast("list[Any]", old)) if kind == "extend" else 0 :] = new
        else:
            inner[last] = new


def _changes(
    way: tuple[str, ...], before: Mapping[Any, Any], after: Mapping[Any, Any]
) -> Iterator[Sequence[Any]]:
    for key in before.keys() - after.keys():
        yield "delete", [*way, key]
    for key, new in after.items():
        old = before.get(key, _MISSING)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _changes((*way, key), cast("dict[Any, Any]", old), cast("dict[Any, Any]", new))
        elif not is_json({key: new}):
            activity.logger.warning(
                "key=<%s>, type=<%s> | the tool wrote an invocation_state value that is not JSON; it stays "
                "on the worker",
                ".".join(map(str, (*way, key))),
                type(new).__name__,
            )
        elif _grew(old, new):
            yield "extend", [*way, key], encode(new[len(cast("list[Any]", old)) :])
        elif not _same(old, new):
            yield "set", [*way, key], encode(new)


def _grew(old: Any, new: Any) -> bool:
    if not (isinstance(old, list) and isinstance(new, list)):
        return False
    items, more = cast("list[Any]", old), cast("list[Any]", new)
    return 0 < len(items) < len(more) and _same(items, more[: len(items)])


def _same(old: Any, new: Any) -> bool:
    return old is not _MISSING and json.dumps(encode(old)) == json.dumps(encode(new))


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
