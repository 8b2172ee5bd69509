"""Converts Strands' tool context to values to send, and applies the changes that come back."""

import inspect
from collections.abc import Callable
from typing import Any

from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.agent.state import AgentState
from strands.interrupt import InterruptException
from strands.types.tools import ToolUse
from temporalio.exceptions import ApplicationError

from .._upstream.private_api import interrupt_id
from .._wire.tool_context import CONTEXT_PARAMETER, ToolContext
from .._wire.values import decode, encode, encode_any
from .invocation_state import apply_changes

_TASKS_CONTEXT = "_tool_context"
"""The keyword with which Strands gives a tool the context of a background task (1.62: _executor.py:672)."""


def context_of_call(
    use: ToolUse, invocation_state: dict[str, Any], kwargs: dict[str, Any]
) -> "StrandsToolContext[Any]":
    """Return the context of a call from the arguments of the tool's `stream`."""
    agent = invocation_state["agent"]
    return kwargs.get(_TASKS_CONTEXT) or StrandsToolContext(use, agent, invocation_state, agent.cancel_signal)


def takes_context(function: Callable[..., Any]) -> bool:
    """Tell whether an activity's function has a parameter for its tool context.

    Raises:
        TypeError: If the parameter's annotation is not our `ToolContext`. Strands' own class cannot be sent.
    """
    parameter = inspect.signature(function, eval_str=True).parameters.get(CONTEXT_PARAMETER)
    if parameter is None:
        return False
    if parameter.annotation is not ToolContext:
        raise TypeError(
            f"the parameter {CONTEXT_PARAMETER!r} is annotated as {parameter.annotation!r}. In an activity "
            "it is strands_temporal.activity.ToolContext, which can cross from the workflow"
        )
    return True


def tool_context_payload(
    context: "StrandsToolContext[Any]", invocation_state: dict[str, Any]
) -> dict[str, Any]:
    """Return the values of a `ToolContext` that are sent to the activity."""
    use = context.tool_use
    crossing = {
        "tool_use": {"toolUseId": use["toolUseId"], "name": use["name"], "input": encode_any(use["input"])},
        "invocation_state": invocation_state,
        "answers": _answers(context),
    }
    state = state_of(context)
    return {**crossing, "state": encode_any(state.get())} if state is not None and state.get() else crossing


def resolve_interrupt(
    context: "StrandsToolContext[Any]", error: InterruptException, answers: dict[str, Any]
) -> dict[str, Any]:
    """Return `answers` plus the answer to an interrupt that an activity raised.

    The answers to a call's interrupts are sent with the call. For a background task, Strands returns an
    answer only when the interrupt is raised again.

    An interrupt raised by `ToolContext.interrupt` has no id. Strands assigns an id here that is the same at
    each replay. If a hosted tool interrupts through Strands on the worker, the interrupt already has the
    call's id. In a background task Strands replaces that id. An interrupt that the activity built itself
    keeps its id and is re-raised.

    Raises:
        InterruptException: If there is no answer yet. It pauses the agent.
        ApplicationError: If the activity already had the answer.
    """
    asked = error.interrupt
    if asked.id and asked.id != interrupt_id(context, asked.name):
        raise error from None
    try:
        given = context.interrupt(asked.name, asked.reason)
    except InterruptException as paused:
        raise paused from None
    if asked.name in answers:
        raise ApplicationError(
            f"The tool asked again for {asked.name!r}, which was answered", type="InterruptAnswered"
        ) from None
    return {**answers, asked.name: encode(given)}


def _answers(context: "StrandsToolContext[Any]") -> dict[str, Any]:
    """Return the answers to this call's interrupts by name, from Strands' snapshot of its state.

    Only the tool's own interrupts count: a hook before the tool, or a sub-agent's call with the same id, may
    have asked under the same name.
    """
    agent = context.agent
    if not isinstance(agent, Agent):
        return {}
    state: dict[str, Any] = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    return {
        interrupt["name"]: encode(interrupt["response"])
        for id_, interrupt in state["interrupts"].items()
        if id_ == interrupt_id(context, interrupt["name"]) and interrupt["response"] is not None
    }


def state_of(context: "StrandsToolContext[Any]") -> AgentState | None:
    """Return the state of the agent that calls a tool; None for an agent without one."""
    state = getattr(context.agent, "state", None)
    return state if isinstance(state, AgentState) else None


def apply_state(context: "StrandsToolContext[Any]", patch: dict[str, Any]) -> None:
    """Apply an activity's changes to the agent's state and the invocation state.

    A tool on the worker may also have called `agent.cancel(...)`.
    """
    apply_changes(context.invocation_state, patch.get("invocation_state", ()))
    if "cancel" in patch:
        context.agent.cancel(**patch["cancel"])
    state = state_of(context)
    if state is None:
        return
    for key, value in patch.get("set", {}).items():
        state.set(key, decode(value))
    for key in patch.get("delete", []):
        state.delete(key)
