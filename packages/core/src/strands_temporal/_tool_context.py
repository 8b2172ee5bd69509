"""`ToolContext`: what an activity that serves as a tool knows of its call."""

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.interrupt import Interrupt, InterruptException
from temporalio.exceptions import ApplicationError

from ._wire import decode, encode

CONTEXT_PARAMETER = "tool_context"
"""Name of the parameter by which an activity asks for its context, as in Strands."""


@dataclass(frozen=True)
class ToolContext:
    """The call that an activity answers as a tool: the serialisable counterpart of `strands.ToolContext`.

    An activity gets it by a parameter `tool_context: ToolContext`, which the model does not see, or, anywhere
    below such an activity, by `strands_temporal.activity.tool_context()`.

    Attributes:
        tool_use: `toolUseId` and `name` of the call; its `input` are the activity's own arguments.
        invocation_state: The caller's JSON values, as passed to `invoke_async(..., invocation_state=...)`.
        answers: Answers to this call's interrupts, by name.
    """

    tool_use: dict[str, Any] = field(default_factory=dict[str, Any])
    invocation_state: dict[str, Any] = field(default_factory=dict[str, Any])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        for name in ("tool_use", "invocation_state", "answers"):
            object.__setattr__(self, name, decode(getattr(self, name)))

    def interrupt(self, name: str, reason: Any = None) -> Any:
        """Return the answer to the interrupt `name`, or pause the agent until there is one.

        On resume the activity runs again from its start, with the answer; so interrupt before any side
        effect.

        Args:
            name: The interrupt's name, unique within the tool call.
            reason: What to tell the person who answers; JSON values.

        Raises:
            InterruptException: If there is no answer yet. Let it pass: it is what pauses the agent.
        """
        if name in self.answers:
            return self.answers[name]
        raise InterruptException(Interrupt(id="", name=name, reason=reason))


_current: ContextVar[ToolContext | None] = ContextVar("strands_temporal_tool_context", default=None)


def tool_context() -> ToolContext:
    """Return the context of the tool call that this activity answers.

    Raises:
        RuntimeError: Outside of an activity that serves as a tool and has a parameter `tool_context:
        ToolContext`.
    """
    context = _current.get()
    if context is None:
        raise RuntimeError(
            "There is no tool context here. Give the activity a parameter `tool_context: ToolContext` "
            "(from strands_temporal.activity) and call it through activity_as_tool"
        )
    return context


def remember_context(args: Any) -> None:
    """Make the context among an activity's arguments what `tool_context()` returns in that activity."""
    _current.set(next((arg for arg in args if isinstance(arg, ToolContext)), None))


def takes_context(activity: Callable[..., Any]) -> bool:
    """Tell whether `activity` has a parameter for its tool context.

    Raises:
        TypeError: If that parameter is annotated as Strands' own class, which cannot cross to an activity.
    """
    parameter = inspect.signature(activity, eval_str=True).parameters.get(CONTEXT_PARAMETER)
    if parameter is None:
        return False
    if parameter.annotation is not ToolContext:
        raise TypeError(
            f"the parameter {CONTEXT_PARAMETER!r} is annotated as {parameter.annotation!r}. In an activity "
            "it is "
            "strands_temporal.activity.ToolContext, which can cross from the workflow"
        )
    return True


def wire_context(context: "StrandsToolContext[Any]", users_state: dict[str, Any]) -> dict[str, Any]:
    """Return what crosses to the activity: the values of a `ToolContext`. Runs in the workflow."""
    return {
        "tool_use": {"toolUseId": context.tool_use["toolUseId"], "name": context.tool_use["name"]},
        "invocation_state": users_state,
        "answers": _answers(context),
    }


def pause(
    context: "StrandsToolContext[Any]", error: InterruptException
) -> ApplicationError | InterruptException:
    """Return what pauses the agent for an interrupt that an activity raised. Runs in the workflow.

    One that `ToolContext.interrupt` raised has no id yet: Strands gives it its own, stable over replay. One
    that the activity made itself keeps what it has.
    """
    if error.interrupt.id:
        return error
    try:
        context.interrupt(error.interrupt.name, error.interrupt.reason)
    except InterruptException as paused:
        return paused
    return ApplicationError(
        f"The tool asked again for {error.interrupt.name!r}, which was answered", type="InterruptAnswered"
    )


def _answers(context: "StrandsToolContext[Any]") -> dict[str, Any]:
    """Return the answers to this call's interrupts by name, from Strands' snapshot of its state."""
    agent = context.agent
    if not isinstance(agent, Agent):
        return {}
    state: dict[str, Any] = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    own = f":{context.tool_use['toolUseId']}:"
    return {
        interrupt["name"]: encode(interrupt["response"])
        for interrupt_id, interrupt in state["interrupts"].items()
        if own in interrupt_id and interrupt["response"] is not None
    }
