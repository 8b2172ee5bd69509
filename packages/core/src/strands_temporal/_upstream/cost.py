"""Faster versions of two things that Strands does on every model call.

A workflow repeats that work on every replay. In Temporal's sandbox each `isinstance` adds to the cost.
"""

import copy
import sys
from typing import Any

from strands.telemetry.tracer import Tracer
from strands.types.content import Messages
from temporalio import workflow
from typing_extensions import override

from .run_local import run_local
from .shared_messages import SharedMessages
from .stand_in import StandIn
from .tracer import ReplaySafeTracer

_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})


def fast_deepcopy(value: Any, memo: dict[int, Any]) -> Any:
    """Copy like `copy.deepcopy(value, memo)`, three times faster for dicts and lists.

    Args:
        value: Anything.
        memo: Copies by the id of the original, as in `copy.deepcopy`.
    """
    number = id(value)
    if number in memo:
        return memo[number]
    kind: Any = type(value)
    if kind is dict:
        mapping: dict[Any, Any] = value.copy()
        memo[number] = mapping
        for key, item in value.items():
            if type(item) not in _PLAIN:
                mapping[key] = fast_deepcopy(item, memo)
        return mapping
    if kind is list:
        items: list[Any] = value.copy()
        memo[number] = items
        for place, item in enumerate(value):
            if type(item) not in _PLAIN:
                items[place] = fast_deepcopy(item, memo)
        return items
    return value if kind in _PLAIN else copy.deepcopy(value, memo)


class QuietTracer(Tracer):
    """Strands' tracer, except that it does not serialise the conversation for a span that does not record.

    Without a tracer provider, which is the usual case, no span records. Strands' own tracer still serialises
    all messages as JSON for two spans at each model call, and discards the result.
    """

    def __init__(self, tracer: Tracer) -> None:  # pyright: ignore[reportMissingSuperCall]  # state is shared
        self.__dict__ = tracer.__dict__

    @override
    def _add_event_messages(self, span: Any, messages: Messages) -> None:
        if span.is_recording():
            super()._add_event_messages(span, messages)

    @override
    def _add_system_prompt_event(self, span: Any, *prompt: Any, **named: Any) -> None:
        if span.is_recording():
            super()._add_system_prompt_event(span, *prompt, **named)


class WorkflowCopy(StandIn):
    """Stands in for the module `copy`. Copies fast, and not at all where `shared_messages.py` says so."""

    def deepcopy(self, value: Any) -> Any:
        kind: Any = type(value)
        if kind in _PLAIN:
            return value
        if not workflow.in_workflow():
            return self._original.deepcopy(value)
        if kind is list and value:
            # No public API tells which copy it is.
            asking = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            shared = run_local(SharedMessages).instead_of_copy(value, asking)
            if shared is not None:
                return shared
        return fast_deepcopy(value, {})


class WorkflowTracer(StandIn):
    """Strands' `get_tracer`. The spans of its tracer are replay-safe in a workflow."""

    def __call__(self) -> Tracer:
        tracer = self._original()
        if not isinstance(tracer.tracer, ReplaySafeTracer):
            tracer.tracer = ReplaySafeTracer(tracer.tracer)
        # A user's own tracer, set in place of Strands', stays as it is.
        return QuietTracer(tracer) if type(tracer) is Tracer and workflow.in_workflow() else tracer
