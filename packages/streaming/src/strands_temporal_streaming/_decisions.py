"""Publishes what hooks and interventions change of what an agent is about to do.

Strands tells nobody who changed an event. So each event is compared before and after the hooks, and before
and after the interventions. What an intervention handler of a `TemporalAgent` returns, core tells
(`InterventionNote`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from strands import Agent
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
from strands.interrupt import Interrupt, InterruptException
from temporalio import workflow

from strands_temporal.extension import InterventionNote, run_local

from ._cut import dumped, short
from ._deciding import Deciding, Seen, Values
from ._decision_types import Decision
from ._interventions import (
    HANDLED,
    asking_decision,
    decisions_of,
    guessed_intervention,
    steering_decision,
)
from ._life import Life
from ._places import Place

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

_HOOK, _INTERVENTION = "hook", "intervention"


class DecisionHooks:
    """Looks at each event before, between and after the user's hooks and the interventions."""

    @staticmethod
    def register_hooks(registry: HookRegistry) -> None:
        """Add the hooks to an agent's registry."""
        for event in _CANCELLING:
            registry.add_callback(event, _look(_HOOK, is_first=True), order=_FIRST)
            registry.add_callback(event, _look(_INTERVENTION), order=HookOrder.INTERVENTION_INPUT - 0.5)
            registry.add_callback(event, _look(_HOOK), order=HookOrder.INTERVENTION_INPUT + 0.5)
            registry.add_callback(event, _decide, order=_LAST)
        for event in _RETRIABLE:
            registry.add_callback(event, _look(_HOOK, is_first=True), order=_AFTER_CORE)
            registry.add_callback(event, _look(_INTERVENTION), order=HookOrder.INTERVENTION_OUTPUT - 0.5)
            registry.add_callback(event, _look(_HOOK), order=HookOrder.INTERVENTION_OUTPUT + 0.5)
            registry.add_callback(event, _decide, order=_LAST)


def note_intervention(note: InterventionNote) -> None:
    """Remember what an intervention has decided, until the event's callbacks have run."""
    deciding = run_local(Deciding)
    if isinstance(note.error, InterruptException):
        deciding.askers[note.error.interrupt.id] = note.handler.name
    elif (seen := deciding.seen.get(id(note.event))) is not None:
        seen.notes.append(note)


def publish_asking(current: Life, agent: Agent, interrupts: Sequence[Interrupt], place: Place) -> None:
    """Publish who stopped an agent with questions."""
    deciding = run_local(Deciding)
    for interrupt in interrupts:
        if interrupt.id in current.state.questions:
            continue
        decision = asking_decision(agent, interrupt, deciding.askers.get(interrupt.id))
        if decision is not None and deciding.asks(decision):
            current.publish(decision, place, agent.name)


def publish_allowed(current: Life, agent: Agent, tool_use_id: str, place: Place) -> None:
    """Publish that a call that waited with a question begins to run."""
    for decision in run_local(Deciding).allowed(tool_use_id):
        current.publish(decision, place, agent.name)


def _look(kind: str, *, is_first: bool = False) -> HookCallback[Any]:
    """Return a callback that remembers an event's values before callbacks of a kind."""

    def look(event: Any) -> None:
        if not workflow.in_workflow():
            return
        seen = run_local(Deciding).seen
        if is_first:
            seen[id(event)] = Seen()
        if isinstance(event, BeforeInvocationEvent) or event.agent in run_local(Life).runs:
            seen.setdefault(id(event), Seen()).values.append((kind, _values(event)))

    return look


def _decide(event: Any) -> None:
    """Publish what was decided about an event."""
    if not workflow.in_workflow():
        return
    current, deciding = run_local(Life), run_local(Deciding)
    seen, run = deciding.seen.pop(id(event), None) or Seen(), current.runs.get(event.agent)
    if run is None:
        return
    use = getattr(event, "tool_use", None)
    tool_use_id = use.get("toolUseId") if use else None
    following = [*(values for _, values in seen.values[1:]), _values(event)]
    # Nothing is seen of an event in whose midst the hooks were added.
    for (kind, before), after in zip(seen.values, following, strict=False):
        changed = _changed(event, before, after)
        if kind == _INTERVENTION and seen.notes:
            decisions = decisions_of(seen.notes, event, changed)
        elif not changed:
            decisions = []
        elif kind == _INTERVENTION and type(event) in HANDLED:
            decisions = [guessed_intervention(changed, event)]
        else:
            decisions = [steering_decision(changed, event, before.messages) or changed]
        if any(each.outcome == "cancelled" for each in decisions):
            deciding.asking.pop(tool_use_id or "", None)
        for decision in decisions:
            current.publish(replace(decision, tool_use_id=tool_use_id), run.place, event.agent.name)


def _values(event: Any) -> Values:
    kind: type[Any] = type(event)
    cancel, messages = getattr(event, _CANCELLING.get(kind, ""), False), len(event.agent.messages)
    if isinstance(event, BeforeToolCallEvent):
        use = event.tool_use
        return Values(cancel, False, (use["name"], dumped(use["input"]), id(event.selected_tool)), messages)
    if isinstance(event, AfterToolCallEvent):
        return Values(False, event.retry, id(event.result), messages)
    if isinstance(event, BeforeInvocationEvent):
        return Values(cancel, False, id(event.messages), messages)
    return Values(cancel, getattr(event, "retry", False), None, messages)


def _changed(event: Any, before: Values, after: Values) -> Decision | None:
    """Return what was done to an event between two looks, as a hook's decision; None if nothing was."""
    name = type(event).__name__
    if after.cancel and after.cancel != before.cancel:
        reason = short(after.cancel) if isinstance(after.cancel, str) else ""
        return Decision(kind=_HOOK, name=name, outcome="cancelled", reason=reason)
    if after.retry and not before.retry:
        return Decision(kind=_HOOK, name=name, outcome="retried")
    return Decision(kind=_HOOK, name=name, outcome="changed") if after.rest != before.rest else None
