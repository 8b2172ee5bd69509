"""The events of a model's output, of tools and of turns' ends. The others are in `_life_types.py`.

Each event is a frozen dataclass with these fields besides its own:

    agent    name of the agent that the event is about
    path     where that agent is: () is the outermost agent or team itself. Each step is the name of a
             sub-agent or `node:<id>` (a node of a graph or swarm), from the outside to the inside
    turn     number of the turn of the outermost agent in this conversation, from 1, over continue-as-new
    seq      number of the event in the workflow's log; -1 for what is not there, such as pieces over NATS
    offset   offset in the stream. Pass `offset + 1` as `from_offset` to continue after the event
    time     when it happened, ISO 8601 in UTC: workflow time; for pieces that stream, the worker's time

`agent`, `path`, `turn` and `time` come from `StreamHooks` in the workflow. They are empty without, and in
events that workers of older releases published. `seq` and `time` do not count when events are compared.
"""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

MIDDLEWARE_KEY = "strands_temporal_streaming"
"""Key of the middleware. It tells core that the plugin is there."""

DEFAULT_TOPIC = "events"
"""Default topic of readers and hooks. The guide uses it too."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The fields that say where in a conversation an event belongs. See the head of this module."""

    path: tuple[str, ...] = ()
    turn: int = 0
    seq: int = field(default=-1, compare=False)
    time: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True)
class PlacedWithAgent(Placed):
    """The same fields with the agent's name, for events that do not have it as a positional field."""

    agent: str = ""


@dataclass(frozen=True, kw_only=True)
class LifeEvent(PlacedWithAgent):
    """All common fields. The base of the events of later releases, whose own fields are keywords as well."""

    offset: int = -1


@dataclass(frozen=True)
class TextDelta(PlacedWithAgent):
    """A piece of the model's text."""

    text: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class ReasoningDelta(PlacedWithAgent):
    """A piece of the model's reasoning."""

    text: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class TextRedacted(PlacedWithAgent):
    """A guardrail replaced the whole text of the call with `text`."""

    text: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class MessageEnd(PlacedWithAgent):
    """The model ended its message. With the stop reason `tool_use`, tools run and another call follows."""

    stop_reason: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class CallStarted(PlacedWithAgent):
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
class AttemptFailed(PlacedWithAgent):
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
class AttemptRestarted(PlacedWithAgent):
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
class OutputLost(PlacedWithAgent):
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
class StreamGap(PlacedWithAgent):
    """The stream no longer has its items from `start` to before `stop`: the workflow has truncated it.

    `OutputLost` follows for each call that this reader missed a part of. It follows at once for a call that
    was being streamed, and with the call's next event for one that began in the gap. Tool calls, ends of
    turns and whole calls may be in the gap as well. `offset` is the offset of the last missing item.
    """

    start: int = 0
    stop: int = 0
    offset: int = -1


@dataclass(frozen=True)
class ToolCall(Placed):
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
class ToolResult(Placed):
    """A tool ended. Needs `StreamHooks` in the workflow.

    Attributes:
        name: Name of the tool.
        tool_use_id: Id of the call.
        status: `success` or `error`.
        text: The result that the model gets, as text.
        truncated: Whether `text` or `content` is only the beginning.
        agent: Name of the agent.
        offset: Offset of this item in the workflow's stream.
        content: The result's content blocks in JSON values, without the bytes of images and documents. If
            they are too large, the beginning of their JSON text.
        size: Bytes of the whole result as JSON.
        reference: Where the whole result is, if it was cut: `<index>/<tool_use_id>`, with the index of the
            message in the agent's conversation that will have it. None if nothing was cut. `messages` of a
            `Conversation` reads it.
    """

    name: str = ""
    tool_use_id: str = ""
    status: str = ""
    text: str = ""
    truncated: bool = False
    agent: str = ""
    offset: int = -1
    _: KW_ONLY
    content: Any = None
    size: int = 0
    reference: str | None = None


@dataclass(frozen=True)
class SandboxOutput(PlacedWithAgent):
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
class TurnEnd(Placed):
    """A turn of the agent ended. Needs `StreamHooks` in the workflow.

    Attributes:
        stop_reason: Strands' stop reason; None if the turn failed.
        interrupts: The interrupts that the agent waits for, with the stop reason `interrupt`.
        agent: Name of the agent.
        offset: Offset of this item in the workflow's stream.
        result: The text of the last message; its beginning if it is long (`truncated`).
        structured_output: The structured output in JSON values; the beginning of its JSON text if it is long
            (`truncated`). None without one.
        usage: Tokens of this turn, with Strands' names: `inputTokens`, `outputTokens`, `totalTokens`.
        truncated: Whether `result`, `structured_output` or `error` is only the beginning.
        error: Class and message of the error, if the turn failed.
    """

    stop_reason: str | None = None
    interrupts: tuple[PendingInterrupt, ...] = ()
    agent: str = ""
    offset: int = -1
    _: KW_ONLY
    result: str = ""
    structured_output: Any = None
    usage: dict[str, int] = field(default_factory=dict[str, int])
    truncated: bool = False
    error: str | None = None


@dataclass(frozen=True)
class End(PlacedWithAgent):
    """The workflow ended. `status` is Temporal's name for its status: `COMPLETED`, `FAILED`, `TERMINATED`.

    `status` is empty if the server no longer knows it, because another workflow runs under the same id.
    """

    status: str = ""
    offset: int = -1
