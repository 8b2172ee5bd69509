"""What crosses the stream, and what a subscriber gets.

The topic that the user names carries Strands' own `StreamEvent`s and nothing else. Which model call an event
belongs to stands in the metadata of its payload, where a reader of plain events does not see it. Everything
else goes to a second topic, `control_topic(topic)`, as JSON objects `{"type": <class name>, <its fields>}` of
the events below. Fields are only ever added, with defaults; readers skip types and fields they do not know.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeAlias, cast

MIDDLEWARE_KEY = "strands_temporal_streaming"
"""Key of the middleware, by which core knows that the plugin is there."""

CALL_METADATA = "strands-call"
"""Payload metadata of each event of a model: `<call>/<attempt>`."""

STARTED_METADATA = "strands-attempt-started"
"""Payload metadata beside it: when the attempt started, as `started_at` of the events below."""


DEFAULT_TOPIC = "events"
"""What readers and hooks take where no topic is named; the guide's."""


def control_topic(topic: str) -> str:
    """Return the topic beside `topic` that carries what is not the model's own stream."""
    return f"{topic}.control"


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
    """A guardrail replaced the whole text of the call by `text`."""

    text: str = ""
    call: str = ""
    offset: int = -1


@dataclass(frozen=True)
class MessageEnd:
    """The model ended its message. With the stop reason `tool_use`, tools run and it is called again."""

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
    """An attempt of a call failed: drop the call's text. Another attempt may follow.

    `error` is the name of the exception's class. A killed worker cannot say this: then `AttemptRestarted`
    comes alone. For `attempt` and `started_at` see `AttemptRestarted`.
    """

    call: str = ""
    attempt: int = 0
    error: str = ""
    offset: int = -1
    started_at: str = ""


@dataclass(frozen=True)
class AttemptRestarted:
    """Temporal tries a call again: drop the call's text, it is told anew.

    Attributes:
        call: Identity of the call.
        attempt: Temporal's number of the attempt. It is no order: after an operator has reset the activity it
            is 1 again.
        model: Name of the model; None is the plugin's default.
        activity_id: Id of the activity in the workflow's history.
        offset: Offset of this item in the workflow's stream.
        started_at: When the attempt started, ISO 8601 in UTC, which is an order of a call's attempts; empty
            from workers of older releases.
    """

    call: str = ""
    attempt: int = 0
    model: str | None = None
    activity_id: str = ""
    offset: int = -1
    started_at: str = ""


@dataclass(frozen=True)
class OutputLost:
    """Events of the call are missing, so its text here is not the whole answer. The agent has them all.

    `events` of them were too large for the stream. 0 means that a part of the call lies in a `StreamGap`. For
    `attempt` and `started_at` see `AttemptRestarted`.
    """

    call: str = ""
    attempt: int = 0
    events: int = 0
    offset: int = -1
    started_at: str = ""


@dataclass(frozen=True)
class StreamGap:
    """The stream no longer has its items from `start` to before `stop`: the workflow has truncated it.

    `OutputLost` follows for each call of which this reader missed a part: at once for those that were being
    told, and when it is heard next for one that began in the gap. Tool calls, ends of turns and whole calls
    may be in the gap too. `offset` is that of the last missing item.
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
        input: What the model asks, in JSON values; if `truncated`, the beginning of its JSON text.
        agent: Name of the agent.
        offset: Offset of this item in the workflow's stream.
        truncated: Whether only the beginning of the input is here.
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
        text: What the model gets, as text.
        truncated: Whether only the beginning of it is here.
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
class PendingInterrupt:
    """What a paused agent waits for. If `truncated`, `reason` is the beginning of its JSON text."""

    id: str = ""
    name: str = ""
    reason: Any = None
    truncated: bool = False


@dataclass(frozen=True)
class TurnEnd:
    """One call of the agent ended. Needs `StreamHooks` in the workflow.

    Attributes:
        stop_reason: Strands' stop reason; None if the call failed.
        interrupts: What the agent waits for, with the stop reason `interrupt`.
        agent: Name of the agent.
        offset: Offset of this item in the workflow's stream.
    """

    stop_reason: str | None = None
    interrupts: tuple[PendingInterrupt, ...] = ()
    agent: str = ""
    offset: int = -1


@dataclass(frozen=True)
class End:
    """The workflow ended; `status` is Temporal's name for how: `COMPLETED`, `FAILED`, `TERMINATED`.

    It is empty if the server does not know any more: another workflow runs under the same id.
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
    | TurnEnd
    | End
)
"""What an `AgentStream` yields. A `match` statement over it can be checked for completeness."""

ControlEvent: TypeAlias = (
    CallStarted | AttemptFailed | AttemptRestarted | OutputLost | ToolCall | ToolResult | TurnEnd
)
"""What the control topic carries."""

_CONTROL: dict[str, type[ControlEvent]] = {
    cls.__name__: cls
    for cls in (CallStarted, AttemptFailed, AttemptRestarted, OutputLost, ToolCall, ToolResult, TurnEnd)
}


def to_control(event: ControlEvent) -> dict[str, Any]:
    """Return the JSON object that stands for `event` on the control topic."""
    values = asdict(event)
    del values["offset"]  # the stream gives it
    return {"type": type(event).__name__, **values}


def from_control(message: object, offset: int) -> ControlEvent | None:
    """Return the event of a JSON object of the control topic; None for one that is not known here."""
    if not isinstance(message, Mapping):
        return None
    values = dict(cast("Mapping[str, Any]", message))
    cls = _CONTROL.get(str(values.get("type")))
    if cls is None:
        return None
    if cls is TurnEnd:
        values["interrupts"] = tuple(_known(PendingInterrupt, one) for one in values.get("interrupts") or ())
    return cast("ControlEvent", _known(cls, {**values, "offset": offset}))


def _known(cls: type[Any], values: Mapping[str, Any]) -> Any:
    names = {field.name for field in fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in names})
