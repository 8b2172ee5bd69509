"""`ToolContext`: the tool call that an activity answers."""

import threading
from dataclasses import dataclass, field
from typing import Any, Protocol

from strands.interrupt import Interrupt, InterruptException
from temporalio import activity

from .agent_state import ActivityAgentState
from .sizes import LARGEST_PROGRESS
from .values import decode, is_json, json_size

CONTEXT_PARAMETER = "tool_context"
"""Name of the parameter that an activity declares to get its context, as in Strands."""


class ToolCall(Protocol):
    """A tool call as seen by the worker that runs its activity."""

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


@dataclass
class CallRecord:
    """A worker's notes about a tool call while the call's activity runs.

    Attributes:
        call: The worker's side of the call; None on a worker without `StrandsPlugin`.
        agent_state: The copy of the agent's state, once the activity has used the state.
        invocation_state: A copy of the invocation state at the start, to detect changes.
        cancel: The arguments of `Agent.cancel`, if a hosted tool called it.
    """

    call: ToolCall | None = None
    agent_state: ActivityAgentState | None = None
    invocation_state: dict[str, Any] | None = None
    cancel: dict[str, Any] | None = None


@dataclass
class ToolContext:
    """The tool call that an activity answers: the serialisable counterpart of `strands.ToolContext`.

    An activity that declares a parameter `tool_context: ToolContext` gets the context there. The model does
    not see this parameter. Any code that the activity calls gets the context from
    `strands_temporal.activity.tool_context()`. If the activity does not declare the parameter, that function
    returns a context with only the call's id and name, the key, the attempt, the cancel signal and progress.

    Attributes:
        tool_use: The call as the model made it: `toolUseId`, `name` and `input`.
        invocation_state: The caller's JSON values, as passed to `invoke_async(..., invocation_state=...)`,
            and Strands' `request_state`. The activity's changes are applied in the workflow, as for the
            agent's state.
        answers: Answers to this call's interrupts, by name.
        state: The agent's state when the activity was scheduled. Use `agent_state` to read and change it.
    """

    tool_use: dict[str, Any] = field(default_factory=dict[str, Any])
    invocation_state: dict[str, Any] = field(default_factory=dict[str, Any])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    state: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        self.tool_use = decode(self.tool_use)
        self.invocation_state = decode(self.invocation_state)
        self.answers = decode(self.answers)
        self.state = decode(self.state)
        self._record = CallRecord()  # not a field, so it is not sent

    @property
    def agent_state(self) -> ActivityAgentState:
        """The agent's state, with Strands' own `get`, `set` and `delete`.

        It is a copy that was made when the activity was scheduled. The activity's changes reach the agent's
        state before Strands sees the result. Changes by a failed attempt are dropped. If two tools run at
        once, the changes of both are kept. If both change the same key, the later result wins.
        """
        record = self._record
        if record.agent_state is None:
            writable = record.call is None or record.call.same_process
            record.agent_state = ActivityAgentState(self.state, writable=writable)
        return record.agent_state

    @property
    def idempotency_key(self) -> str:
        """A string that identifies this tool call over retries, worker restarts, resets and continue-as-new.

        Pass the key to operations that must not happen twice (a payment, a message). A different call has a
        different key.

        Raises:
            RuntimeError: If the activity was not called as a tool, or its worker lacks `StrandsPlugin`.
        """
        return self._known_call().key

    @property
    def attempt(self) -> int:
        """Temporal's number of this attempt, from 1. It is 1 again after an operator's reset."""
        call = self._record.call
        return call.attempt if call else activity.info().attempt

    @property
    def cancel_signal(self) -> threading.Event:
        """Event that is set when the activity is cancelled.

        A cancelled workflow, `agent.cancel()` or a timeout cancels the activity.

        Raises:
            RuntimeError: If the activity was not called as a tool, or its worker lacks `StrandsPlugin`.
        """
        return self._known_call().cancel_signal

    def report_progress(self, value: Any) -> None:
        """Report how far the activity is, from any thread.

        The value becomes the activity's heartbeat detail (a retry finds the last one in
        `activity.info().heartbeat_details`) and goes to all listeners (see `forward_progress`).

        Args:
            value: JSON values and bytes.

        Raises:
            TypeError: If `value` contains anything but JSON values and bytes.
            ValueError: If `value` is too large for a heartbeat.
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

        On resume the activity runs again from its start, with the answer. So interrupt before any side
        effect.

        Args:
            name: The interrupt's name, unique within the tool call.
            reason: JSON values for the person who answers.

        Raises:
            InterruptException: If there is no answer yet. Do not catch it: it pauses the agent.
        """
        if name in self.answers:
            return self.answers[name]
        raise InterruptException(Interrupt(id="", name=name, reason=reason))

    def _known_call(self) -> ToolCall:
        call = self._record.call
        if call is None:
            raise RuntimeError(
                "This activity was not called as a tool by a TemporalAgent, or its worker has no "
                "StrandsPlugin: the call's key, cancel signal and progress are not known here"
            )
        return call


def record_of(context: ToolContext) -> CallRecord:
    """Return this worker's notes about a call."""
    return context._record  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # not for users


HELD_PARTS = ("invocation_state", "state")
