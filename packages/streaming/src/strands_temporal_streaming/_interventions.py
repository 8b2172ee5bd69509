"""What interventions decide, as `Decision`s: Strands' handlers and steering plugins, and approvals."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, cast

from strands import Agent
from strands.hooks import (
    AfterModelCallEvent,
    AfterToolCallEvent,
    BeforeInvocationEvent,
    BeforeModelCallEvent,
    BeforeToolCallEvent,
)
from strands.interrupt import Interrupt
from strands.interventions import Confirm, Deny, Guide, InterventionHandler, Proceed, Transform
from strands.types.tools import ToolResult, ToolUse

from strands_temporal.extension import CHANGED_AND_REFUSED, CHANGED_CALL, InterventionNote

from ._cut import dumped, short
from ._decision_types import Decision

APPROVALS = "approvals"
"""Name of the decisions of strands-temporal-hitl's `Approvals`: a call changed after people allowed it."""

CALL_INTERRUPT = "v1:before_tool_call:"
"""Begins the id of an interrupt that a hook raised before a tool call (Strands 1.62: hooks/events.py)."""

_INTERVENTION = "intervention"

_ABOUT_CALLS = (CALL_INTERRUPT, "v1:middleware_execute_tool:")
_ABOUT_MESSAGE = "v1:before_tools:"
"""Begin the ids of interrupts of hooks and middleware (1.62: hooks/events.py, middleware/stages.py)."""

_NO_USE: ToolUse = {"name": "", "toolUseId": "", "input": {}}

HANDLED: dict[type[Any], str] = {
    BeforeInvocationEvent: "before_invocation",
    BeforeToolCallEvent: "before_tool_call",
    AfterToolCallEvent: "after_tool_call",
    BeforeModelCallEvent: "before_model_call",
    AfterModelCallEvent: "after_model_call",
}
"""The events that handlers decide about, and the method for each."""

# How Strands writes an intervention's decision into `cancel` (1.62: interventions/registry.py:129).
_PREFIXES = ("DENIED: ", "GUIDANCE: ", "CONFIRMATION_FAILED: ")
_DENIED, _REJECTED = _PREFIXES[0], _PREFIXES[2]

# How a steering plugin does (1.62: vended_plugins/steering/core/handler.py:118).
_STEERED = (
    ("Tool call cancelled. ", " You MUST follow this guidance immediately."),
    ("Manual approval denied: ", ""),
)
_STEERING_QUESTION = "steering_input_"


def decisions_of(notes: Sequence[InterventionNote], event: Any, changed: Decision | None) -> list[Decision]:
    """Return what handlers decided about an event, in their order.

    A `Proceed` is a decision if it has a reason.

    Args:
        notes: What they returned.
        event: The event, after all of its callbacks.
        changed: What the interventions changed of the event.
    """
    cancelled = changed.reason if changed and changed.outcome == "cancelled" else ""
    # A handler that denies ends it: the guidance of the handlers before it does not count.
    is_denied = cancelled.startswith((_DENIED, _REJECTED))
    decisions: list[Decision] = []
    for number, note in enumerate(notes):
        outcome, reason = "", ""
        match note.action:
            case Proceed(reason=reason):
                outcome = "allowed" if reason else ""
            case Deny(reason=reason):
                outcome = "cancelled" if cancelled else ""
            case Guide(feedback=reason):
                outcome = "" if is_denied else _guided(event)
            case Confirm(prompt=prompt, reason=why):
                reason, is_last = why or prompt, number == len(notes) - 1
                outcome = "cancelled" if is_last and cancelled.startswith(_REJECTED) else ""
                if not outcome and note.action.response is not None:
                    outcome = "allowed"
            case Transform(reason=reason):
                outcome = "changed"
            case _:  # it raised an error
                if cancelled and note.handler.on_error == "deny":
                    outcome, reason = "cancelled", f"Handler threw: {note.error}"
        if outcome:
            decisions.append(_decision(note.handler.name, outcome, reason))
    return decisions


def guessed_intervention(changed: Decision, event: Any) -> Decision:
    """Return what was changed as the decision of the handler that most likely decided it.

    Nobody tells of the handlers of a plain `strands.Agent`. If several of them decide about such events, the
    decision has the name of the event.
    """
    handlers = _handlers_of(event)
    name = handlers[0].name if len(handlers) == 1 else changed.name
    prefix = next((each for each in _PREFIXES if changed.reason.startswith(each)), "")
    return replace(changed, kind=_INTERVENTION, name=name, reason=changed.reason[len(prefix) :])


def steering_decision(changed: Decision, event: Any, messages: int) -> Decision | None:
    """Return what was changed as the decision of a steering plugin; None if it is none of a plugin.

    Args:
        changed: What hooks changed.
        event: The event.
        messages: How many messages the agent had before.
    """
    plugin = next(iter(_owners_of(event, "SteeringHandler")), None)
    if plugin is None:
        return None
    name = str(getattr(plugin, "name", ""))
    if changed.outcome == "retried" and isinstance(event, AfterModelCallEvent):
        added = event.agent.messages[messages:]
        text = "".join(block.get("text", "") for message in added for block in message["content"])
        return _decision(name, "retried", text) if added else None
    for begin, end in _STEERED:
        reason = changed.reason
        if changed.outcome == "cancelled" and reason.startswith(begin):
            return _decision(name, "cancelled", reason[len(begin) :].removesuffix(end))
    return None


def asking_decision(agent: Agent, interrupt: Interrupt, asker: str | None) -> Decision | None:
    """Return the decision that stopped an agent with a question; None if a tool or another agent asks.

    Args:
        agent: The agent.
        interrupt: The question.
        asker: Name of the handler that asked it itself; None if none did.
    """
    about = next((each for each in _ABOUT_CALLS if interrupt.id.startswith(each)), None)
    if about is None and not interrupt.id.startswith(_ABOUT_MESSAGE):
        return None
    use = interrupt.id[len(about) :].rpartition(":")[0] if about else None
    decision = Decision(
        kind="hook",
        name=interrupt.name,
        tool_use_id=use,
        outcome="interrupted",
        reason=_text(interrupt.reason),
    )
    if interrupt.name.startswith(CHANGED_CALL):
        return replace(decision, kind=_INTERVENTION, name=APPROVALS)
    if about != CALL_INTERRUPT:
        return decision
    event = BeforeToolCallEvent(agent=agent, selected_tool=None, tool_use=_NO_USE, invocation_state={})
    if asker is not None or any(one.name == interrupt.name for one in _handlers_of(event)):
        return replace(decision, kind=_INTERVENTION, name=asker or interrupt.name)
    plugin = next(iter(_owners_of(event, "SteeringHandler")), None)
    if plugin is not None and interrupt.name.startswith(_STEERING_QUESTION):
        why: Any = interrupt.reason
        reason = _text(why.get("message", "") if isinstance(why, dict) else why)
        return replace(decision, kind=_INTERVENTION, name=str(plugin.name), reason=reason)
    return decision


def refused_decision(result: ToolResult) -> Decision | None:
    """Return the decision of people not to allow a call that changed after they allowed it, if it is one."""
    if result["status"] == "error" and result["content"] == [{"text": CHANGED_AND_REFUSED}]:
        decision = _decision(APPROVALS, "cancelled", CHANGED_AND_REFUSED)
        return replace(decision, tool_use_id=result["toolUseId"])
    return None


def _handlers_of(event: Any) -> list[InterventionHandler]:
    """Return the handlers that decide about such events."""
    method = HANDLED[type(event)]
    handlers: list[InterventionHandler] = []
    for registry in _owners_of(event, "InterventionRegistry"):
        handlers += registry.handlers
    return [
        one
        for one in handlers
        if getattr(type(one), method, None) is not getattr(InterventionHandler, method)
    ]


def _owners_of(event: Any, kind: str) -> Iterator[Any]:
    """Yield the objects of a class of Strands whose methods are called with an event.

    The classes are found by name: to import the plugins would take time.
    """
    for callback in event.agent.hooks.get_callbacks_for(event):
        owner: Any = getattr(callback, "__self__", None)
        for each in cast("tuple[type[Any], ...]", type(owner).__mro__):
            if each.__name__ == kind and each.__module__.startswith("strands."):
                yield owner


def _guided(event: Any) -> str:
    if isinstance(event, AfterToolCallEvent):
        return ""  # Strands ignores it
    if isinstance(event, AfterModelCallEvent):
        return "retried"
    return "changed" if isinstance(event, BeforeModelCallEvent) else "cancelled"


def _decision(name: str, outcome: str, reason: Any) -> Decision:
    return Decision(kind=_INTERVENTION, name=name, outcome=outcome, reason=short(reason or ""))


def _text(value: Any) -> str:
    return short(value) if isinstance(value, str) else short("" if value is None else dumped(value))
