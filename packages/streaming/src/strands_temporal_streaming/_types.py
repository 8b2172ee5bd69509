"""The events that a subscriber gets, and the part of them that goes to the control topic."""

from dataclasses import dataclass
from typing import Any, TypeAlias

MIDDLEWARE_KEY = "strands_temporal_streaming"
"""Key of the middleware. It tells core that the plugin is there."""

DEFAULT_TOPIC = "events"
"""Default topic of readers and hooks. The guide uses it too."""


@dataclass(frozen=True)
class TextDelta:
    """A piece of the model's text."""

    text: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class ReasoningDelta:
    """A piece of the model's reasoning."""

    text: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class TextRedacted:
    """A guardrail replaced the whole text of the call with `text`."""

    text: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class MessageEnd:
    """The model ended its message. With the stop reason `tool_use`, tools run and another call follows."""

    stop_reason: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class CallStarted:
    """A model call began on a worker.

    Attributes:
        call: Identity of the call, the same for all its attempts.
        model: Name of the model; None is the plugin's default.
        activity_id: Id of the activity in the workflow's history.
        offset: Offset of this item in the workflow's stream.
        started_at: When the attempt started, ISO 8601 in UTC; empty from workers of older releases.
    """

    call: str = ""
    model: str | None = None
    activity_id: str = ""
    offset: int = -1
    started_at: str = ""


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt of a call failed. Discard the call's text. Another attempt may follow.

    `error` is the name of the exception's class. A killed worker cannot send this event: a reader only gets
    the `AttemptRestarted` of the next attempt. For `attempt` and `started_at` see `AttemptRestarted`.
    """

    call: str = ""
    attempt: int = 0
    error: str = ""
    offset: int = -1
    started_at: str = ""


@dataclass(frozen=True)
class AttemptRestarted:
    """Temporal is retrying a call. Discard its text so far; the stream repeats it from the start.

    Attributes:
        call: Identity of the call.
        attempt: Temporal's number of the attempt. Do not sort by it: after an operator has reset the activity
            it is 1 again.
        model: Name of the model; None is the plugin's default.
        activity_id: Id of the activity in the workflow's history.
        offset: Offset of this item in the workflow's stream.
        started_at: When the attempt started, ISO 8601 in UTC. It orders a call's attempts. Empty from workers
            of older releases.
    """

    call: str = ""
    attempt: int = 0
    model: str | None = None
    activity_id: str = ""
    offset: int = -1
    started_at: str = ""


@dataclass(frozen=True)
class OutputLost:
    """This reader did not get all events of the call, so its text is not the whole answer. The agent's is.

    `events` is the number of events that were too large for the stream. If it is 0, a part of the call is in
    a `StreamGap` instead. For `attempt` and `started_at` see `AttemptRestarted`.
    """

    call: str = ""
    attempt: int = 0
    events: int = 0
    offset: int = -1
    started_at: str = ""


@dataclass(frozen=True)
class StreamGap:
    """The stream no longer has its items from `start` to before `stop`: the workflow has truncated it.

    `OutputLost` follows for each call that this reader missed a part of. It follows at once for a call that
    was being streamed, and with the call's next event for one that began in the gap. Tool calls, ends of
    turns and whole calls may be in the gap as well. `offset` is the offset of the last missing item.
    """

    start: int = 0
    stop: int = 0
    offset: int = -1


@dataclass(frozen=True)
class ToolCall:
    """The agent is about to call a tool. Needs `StreamHooks` in the workflow.

    Attributes:
        name: Name of the tool.
        tool_use_id: Id of the call.
        input: The model's arguments, in JSON values; if `truncated`, the beginning of their JSON text.
        agent: Name of the agent.
        offset: Offset of this item in the workflow's stream.
        truncated: Whether `input` is only the beginning.
    """

    name: str = ""
    tool_use_id: str = ""
    input: Any = None
    agent: str = ""
    offset: int = -1
    truncated: bool = False


@dataclass(frozen=True)
class ToolResult:
    """A tool ended. Needs `StreamHooks` in the workflow.

    Attributes:
        name: Name of the tool.
        tool_use_id: Id of the call.
        status: `success` or `error`.
        text: The result that the model gets, as text.
        truncated: Whether `text` is only the beginning.
        agent: Name of the agent.
        offset: Offset of this item in the workflow's stream.
    """

    name: str = ""
    tool_use_id: str = ""
    status: str = ""
    text: str = ""
    truncated: bool = False
    agent: str = ""
    offset: int = -1


@dataclass(frozen=True)
class SandboxOutput:
    """A piece of the output of a command in a sandbox, while the command runs.

    Attributes:
        text: The piece.
        stream: `stdout` or `stderr`.
        sandbox: Name of the sandbox.
        tool: Name of the tool that runs the command; the activity's type outside of a tool.
        tool_use_id: Id of the tool's call; empty outside of a tool.
        call: Identity of the command, the same for all its attempts.
        attempt: Temporal's number of the attempt. When it changes, discard the output of the previous
            attempt.
        offset: Offset of this item in the workflow's stream.
        started_at: When the attempt started, ISO 8601 in UTC. It orders a command's attempts.
    """

    text: str = ""
    stream: str = ""
    sandbox: str = ""
    tool: str = ""
    tool_use_id: str = ""
    call: str = ""
    attempt: int = 0
    offset: int = -1
    started_at: str = ""


@dataclass(frozen=True)
class PendingInterrupt:
    """An interrupt that an agent waits for. If `truncated`, `reason` is the beginning of its JSON text."""

    id: str = ""
    name: str = ""
    reason: Any = None
    truncated: bool = False


@dataclass(frozen=True)
class TurnEnd:
    """A turn of the agent ended. Needs `StreamHooks` in the workflow.

    Attributes:
        stop_reason: Strands' stop reason; None if the turn failed.
        interrupts: The interrupts that the agent waits for, with the stop reason `interrupt`.
        agent: Name of the agent.
        offset: Offset of this item in the workflow's stream.
    """

    stop_reason: str | None = None
    interrupts: tuple[PendingInterrupt, ...] = ()
    agent: str = ""
    offset: int = -1


@dataclass(frozen=True)
class End:
    """The workflow ended. `status` is Temporal's name for its status: `COMPLETED`, `FAILED`, `TERMINATED`.

    `status` is empty if the server no longer knows it, because another workflow runs under the same id.
    """

    status: str = ""
    offset: int = -1


AgentEvent: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | TextRedacted
    | MessageEnd
    | CallStarted
    | AttemptFailed
    | AttemptRestarted
    | OutputLost
    | StreamGap
    | ToolCall
    | ToolResult
    | SandboxOutput
    | TurnEnd
    | End
)
"""An event that an `AgentStream` yields. A `match` statement over it can be checked for completeness."""

ControlEvent: TypeAlias = (
    CallStarted
    | AttemptFailed
    | AttemptRestarted
    | OutputLost
    | ToolCall
    | ToolResult
    | SandboxOutput
    | TurnEnd
)
"""An event on the control topic."""
