"""`ToolContext`: what an activity that serves as a tool knows of its call."""

import copy
import inspect
import threading
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast

from strands import Agent
from strands import ToolContext as StrandsToolContext
from strands.interrupt import Interrupt, InterruptException
from temporalio import activity
from temporalio.exceptions import ApplicationError
from typing_extensions import override

from .._worker.invocation_state import REQUEST_STATE, changes
from .agent_state import ActivityAgentState, state_of
from .sizes import LARGEST_PROGRESS
from .values import decode, encode, encode_any, is_json, json_size

CONTEXT_PARAMETER = "tool_context"
"""Name of the parameter by which an activity asks for its context, as in Strands."""

_ASK_FOR_IT = (
    "Give the activity a parameter `tool_context: ToolContext` (from strands_temporal.activity) and call it "
    "through activity_as_tool"
)


class ToolCall(Protocol):
    """What the worker knows of a tool call that one of its activities answers."""

    key: str
    attempt: int
    same_process: bool

    @property
    def cancel_signal(self) -> threading.Event:
        """Set when the activity is cancelled."""
        ...

    def report(self, context: "ToolContext", value: Any) -> None:
        """Pass on a progress value."""
        ...


@dataclass(frozen=True)
class ToolContext:
    """The call that an activity answers as a tool: the serialisable counterpart of `strands.ToolContext`.

    An activity gets it by a parameter `tool_context: ToolContext`, which the model does not see. Anywhere
    below an activity that is called as a tool `strands_temporal.activity.tool_context()` returns it; where
    the activity has no such parameter, only what needs no argument is in it: the call's id and name, the key,
    the attempt, the cancel signal and progress.

    Attributes:
        tool_use: The call as the model made it: `toolUseId`, `name` and `input`.
        invocation_state: The caller's JSON values, as passed to `invoke_async(..., invocation_state=...)`,
            and Strands' `request_state`. What the activity changes in it travels back, as the agent's state
            does.
        answers: Answers to this call's interrupts, by name.
        state: The agent's state when the activity was scheduled; read and change it by `agent_state`.
    """

    tool_use: dict[str, Any] = field(default_factory=dict[str, Any])
    invocation_state: dict[str, Any] = field(default_factory=dict[str, Any])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    state: dict[str, Any] = field(default_factory=dict[str, Any])

    _call: ClassVar[ToolCall | None] = None  # set on the object, on a worker that has the plugin
    _agent_state: ClassVar[ActivityAgentState | None] = None
    _invocation_state_before: ClassVar[dict[str, Any] | None] = None
    _cancel: ClassVar[dict[str, Any] | None] = None

    def __post_init__(self) -> None:
        for name in ("tool_use", "invocation_state", "answers", "state"):
            object.__setattr__(self, name, decode(getattr(self, name)))

    @property
    def agent_state(self) -> ActivityAgentState:
        """The agent's state, with Strands' own `get`, `set` and `delete`.

        It is what the state was when the activity was scheduled. What the activity changes is in the agent's
        state before Strands sees the result; what a failed attempt changed is dropped. Of two tools at once
        each keeps its own changes; of one key the later result's.
        """
        if self._agent_state is None:
            writable = self._call is None or self._call.same_process
            object.__setattr__(self, "_agent_state", ActivityAgentState(self.state, writable=writable))
        return cast("ActivityAgentState", self._agent_state)

    @property
    def idempotency_key(self) -> str:
        """A text that names this tool call: the same over retries, worker restarts, resets, continue-as-new.

        Give it to what must not happen twice (a payment, a message). Another call has another key.

        Raises:
            RuntimeError: If the activity was not called as a tool, or its worker lacks `StrandsPlugin`.
        """
        return self._known_call().key

    @property
    def attempt(self) -> int:
        """Temporal's number of this attempt, from 1; from 1 again after an operator's reset."""
        return self._call.attempt if self._call else activity.info().attempt

    @property
    def cancel_signal(self) -> threading.Event:
        """Set when the activity is cancelled: with the workflow, by `agent.cancel()`, by a time-out.

        Raises:
            RuntimeError: If the activity was not called as a tool, or its worker lacks `StrandsPlugin`.
        """
        return self._known_call().cancel_signal

    def report_progress(self, value: Any) -> None:
        """Tell how far the activity is, from any thread.

        The value is the activity's heartbeat detail (a retry finds the last one in
        `activity.info().heartbeat_details`), and goes to whoever listens (see `forward_progress`).

        Args:
            value: JSON values and bytes.

        Raises:
            TypeError: If `value` cannot cross.
            ValueError: If it is too large to cross.
            RuntimeError: If the activity was not called as a tool, or its worker lacks `StrandsPlugin`.
        """
        if not is_json(value):
            raise TypeError(f"report_progress({value!r}): progress is JSON values and bytes")
        if (size := json_size(value)) > LARGEST_PROGRESS:
            raise ValueError(
                f"report_progress: a value of {size:,} bytes is too large for a heartbeat, which has at most "
                f"{LARGEST_PROGRESS:,}. Report less, or large data by reference"
            )
        self._known_call().report(self, value)

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

    def _known_call(self) -> ToolCall:
        if self._call is None:
            raise RuntimeError(
                "This activity was not called as a tool by a TemporalAgent, or its worker has no "
                "StrandsPlugin: the call's key, cancel signal and progress are not known here"
            )
        return self._call


class _CallOnly(ToolContext):
    """The context of an activity without the parameter: what the call's header says, and no more."""

    def __init__(self, tool_use: dict[str, Any]) -> None:
        object.__setattr__(self, "tool_use", tool_use)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(f"There is no tool context here that knows {name!r}. {_ASK_FOR_IT}")

    @override
    def __repr__(self) -> str:
        return f"ToolContext(tool_use={self.tool_use!r})"


_current: ContextVar[ToolContext | None] = ContextVar("strands_temporal_tool_context", default=None)


def tool_context() -> ToolContext:
    """Return the context of the tool call that this activity answers.

    Below an activity without a parameter `tool_context: ToolContext`, what would have to be sent for it
    (input, invocation state, agent state, answers) raises a RuntimeError that says so.

    Raises:
        RuntimeError: Outside of an activity that is called as a tool.
    """
    context = _current.get()
    if context is None:
        raise RuntimeError(f"There is no tool context here. {_ASK_FOR_IT}")
    return context


def remember_context(args: Any) -> None:
    """Make the context among an activity's arguments what `tool_context()` returns in that activity."""
    _current.set(next((arg for arg in args if isinstance(arg, ToolContext)), None))


def begin_call(args: Any, call: ToolCall, tool_use: dict[str, Any]) -> ToolContext:
    """Return the context of a tool call: the one among the activity's arguments, or a smaller one.

    Either way `tool_context()` returns it from now on. Runs on the worker.
    """
    remember_context(args)
    context = _current.get() or _CallOnly(tool_use)
    object.__setattr__(context, "_call", call)
    _current.set(context)
    return context


def remember_state(context: ToolContext) -> None:
    """Remember the invocation state of a whole context, against which `changed_state` tells what changed."""
    if not isinstance(context, _CallOnly):
        context.invocation_state.setdefault(REQUEST_STATE, {})
        object.__setattr__(context, "_invocation_state_before", copy.deepcopy(context.invocation_state))


def current_call() -> ToolCall | None:
    """Return the tool call that this activity answers, or None."""
    context = _current.get()
    return None if context is None else context._call  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def changed_state(context: ToolContext) -> dict[str, Any] | None:
    """Return what the activity changed for the agent, as in `ToolAnswer.state`."""
    state = context._agent_state  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # ours, in this module
    before = context._invocation_state_before  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
    changed = changes(before, context.invocation_state) if before is not None else []
    parts = {**((state and state.patch()) or {}), "invocation_state": changed, "cancel": context._cancel}  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # as above
    return {name: part for name, part in parts.items() if part} or None


def note_cancel(context: ToolContext, asked: dict[str, Any] | None) -> None:
    """Note that a tool ends the loop of its agent: the arguments of `Agent.cancel`."""
    object.__setattr__(context, "_cancel", asked)


def takes_context(function: Callable[..., Any]) -> bool:
    """Tell whether an activity's function has a parameter for its tool context.

    Raises:
        TypeError: If that parameter is annotated as Strands' own class, which cannot cross to an activity.
    """
    parameter = inspect.signature(function, eval_str=True).parameters.get(CONTEXT_PARAMETER)
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
    use = context.tool_use
    crossing = {
        "tool_use": {"toolUseId": use["toolUseId"], "name": use["name"], "input": encode_any(use["input"])},
        "invocation_state": users_state,
        "answers": _answers(context),
    }
    state = state_of(context)
    return {**crossing, "state": encode_any(state.get())} if state is not None and state.get() else crossing


def answer(
    context: "StrandsToolContext[Any]", error: InterruptException, answers: dict[str, Any]
) -> dict[str, Any]:
    """Return `answers` with the one to an interrupt that an activity raised. Runs in the workflow.

    Those to a call's interrupts go with it; but a background task keeps its own, and tells them only to who
    asks.

    One that `ToolContext.interrupt` raised has no id yet: Strands gives it its own, stable over replay; and
    that a hosted tool got from Strands on the worker is the call's, and a background task's is another. One
    that the activity made itself keeps what it has.

    Raises:
        InterruptException: If there is no answer yet: it pauses the agent.
        ApplicationError: If the activity had the answer.
    """
    asked = error.interrupt
    if asked.id and asked.id != _interrupt_id(context, asked.name):
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

    Only to what the tool itself asked: a hook before it, or a sub-agent's call of the same id, may have asked
    under the same name.
    """
    agent = context.agent
    if not isinstance(agent, Agent):
        return {}
    state: dict[str, Any] = Agent.take_snapshot(agent, include=["interrupt_state"]).data["interrupt_state"]
    return {
        interrupt["name"]: encode(interrupt["response"])
        for interrupt_id, interrupt in state["interrupts"].items()
        if interrupt_id == _interrupt_id(context, interrupt["name"]) and interrupt["response"] is not None
    }


def _interrupt_id(context: "StrandsToolContext[Any]", name: str) -> str:
    """Return the id that Strands gives to an interrupt of a tool (1.62: types/tools.py:218)."""
    return f"v1:tool_call:{context.tool_use['toolUseId']}:{uuid.uuid5(uuid.NAMESPACE_OID, name)}"
