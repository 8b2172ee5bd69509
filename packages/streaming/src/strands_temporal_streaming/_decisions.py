"""Publishes what hooks and interventions change of what an agent is about to do."""

from typing import Any

from strands.hooks import (
    AfterModelCallEvent,
    AfterToolCallEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
    BeforeToolsEvent,
    HookCallback,
    HookOrder,
    HookRegistry,
)
from temporalio import workflow

from strands_temporal.extension import run_local

from ._cut import dumped, short
from ._decision_types import Decision
from ._life import Life

_FIRST, _LAST = float("-inf"), float("inf")
_AFTER_CORE = HookOrder.SDK_FIRST + 0.5
"""Core replaces results that only explain themselves in a workflow. That is no decision of a user."""

_CANCELLING = {
    BeforeInvocationEvent: "cancel",
    BeforeModelCallEvent: "cancel",
    BeforeToolsEvent: "cancel",
    BeforeToolCallEvent: "cancel_tool",
}

_RETRIABLE = (AfterModelCallEvent, AfterToolCallEvent)


class DecisionHooks:
    """Compares each event before and after the user's hooks, and before and after the interventions."""

    def __init__(self) -> None:
        self._seen: dict[int, list[tuple[str, Any]]] = {}

    def register_hooks(self, registry: HookRegistry) -> None:
        """Add the hooks to an agent's registry."""
        for event in _CANCELLING:
            registry.add_callback(event, self._look("hook", is_first=True), order=_FIRST)
            registry.add_callback(event, self._look("intervention"), order=HookOrder.INTERVENTION_INPUT - 0.5)
            registry.add_callback(event, self._decide, order=_LAST)
        for event in _RETRIABLE:
            registry.add_callback(event, self._look("intervention", is_first=True), order=_AFTER_CORE)
            registry.add_callback(event, self._look("hook"), order=HookOrder.INTERVENTION_OUTPUT + 0.5)
            registry.add_callback(event, self._decide, order=_LAST)

    def _look(self, kind: str, *, is_first: bool = False) -> HookCallback[Any]:
        """Return a callback that remembers an event's values before callbacks of a kind."""

        def look(event: Any) -> None:
            if not workflow.in_workflow():
                return
            if is_first:
                self._seen[id(event)] = []
            if isinstance(event, BeforeInvocationEvent) or event.agent in run_local(Life).runs:
                self._seen.setdefault(id(event), []).append((kind, _values(event)))

        return look

    def _decide(self, event: Any) -> None:
        seen = self._seen.pop(id(event), [])
        if not workflow.in_workflow():
            return
        current = run_local(Life)
        run = current.runs.get(event.agent)
        if run is None:
            return
        id_ = event.tool_use.get("toolUseId") if hasattr(event, "tool_use") else None
        decided = False
        following = [*(values for _, values in seen[1:]), _values(event)]
        # Nothing is seen of an event in whose midst the hooks were added.
        for (kind, before), after in zip(seen, following, strict=False):
            outcome, reason = _outcome(before, after)
            if outcome:
                decided = True
                decision = Decision(
                    kind=kind, name=type(event).__name__, tool_use_id=id_, outcome=outcome, reason=reason
                )
                current.publish(decision, run.place, event.agent.name)
        if type(event) is BeforeToolCallEvent and id_ in current.interrupted:
            current.interrupted.discard(id_)
            if not decided:
                allowed = Decision(kind="hook", name=type(event).__name__, tool_use_id=id_, outcome="allowed")
                current.publish(allowed, run.place, event.agent.name)


def _values(event: Any) -> tuple[Any, Any, Any]:
    """Return what makes an event cancelled, what makes it retried, and the rest that hooks may change."""
    kind: type[Any] = type(event)
    cancel = getattr(event, _CANCELLING.get(kind, ""), False)
    if isinstance(event, BeforeToolCallEvent):
        use = event.tool_use
        return cancel, False, (use["name"], dumped(use["input"]), id(event.selected_tool))
    if isinstance(event, AfterToolCallEvent):
        return False, event.retry, id(event.result)
    if isinstance(event, BeforeInvocationEvent):
        return cancel, False, id(event.messages)
    return cancel, getattr(event, "retry", False), None


def _outcome(before: tuple[Any, Any, Any], after: tuple[Any, Any, Any]) -> tuple[str, str]:
    if after[0] and after[0] != before[0]:
        return "cancelled", short(after[0]) if isinstance(after[0], str) else ""
    if after[1] and not before[1]:
        return "retried", ""
    return ("changed", "") if after[2] != before[2] else ("", "")
