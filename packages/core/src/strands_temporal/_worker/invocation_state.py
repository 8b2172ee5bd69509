"""The caller's `invocation_state` on the worker, and the changes that a tool or a model made to it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from temporalio import activity

from .._wire.model_call import REQUEST_STATE
from .._wire.tool_call import Changes
from .._wire.values import decode, encode, is_json

_MISSING: Any = object()


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Return the changes that lead from one state to the other.

    If two tools run at once, each changes its own copy, and the changes of both are applied. So a change
    names the key in the innermost mapping, and the change of a list that grew has only the new items.
    """
    return list(_changes((), before, after))


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


def model_invocation_state(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state for a model on the worker: the sent values, and Strands' `request_state`."""
    state = cast("dict[str, Any]", decode(sent))
    state.setdefault(REQUEST_STATE, {})
    return state


def changed_keys(sent: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the values that a model wrote into its invocation state, encoded, and the keys it removed.

    Args:
        sent: The state that came from the workflow, encoded.
        state: The mapping that `model_invocation_state` returned, after the call.
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
