"""The events of turns, calls, tools, agents and nodes, from the workflow, and the unions of all events."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ._decision_types import Decision, QuestionAsked, QuestionDecided
from ._request_types import RequestEnded, RequestStarted
from ._snapshot_types import Snapshot
from ._types import (
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    End,
    LifeEvent,
    MessageEnd,
    OutputLost,
    ReasoningDelta,
    SandboxOutput,
    StreamGap,
    TextDelta,
    TextRedacted,
    ToolCall,
    ToolResult,
    TurnEnd,
)


@dataclass(frozen=True, kw_only=True)
class TurnStarted(LifeEvent):
    """A turn of the outermost agent or team began. `TurnEnd` ends it.

    `prompt` is the text or the content blocks, without the bytes of images and documents; None if the turn
    goes on with the messages that the agent has. If `truncated`, it is the beginning of the text or the JSON.
    """

    prompt: Any = None
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class ModelCallStarted(LifeEvent):
    """An agent is about to call its model. Its `CallStarted` and pieces follow, from a worker.

    Attributes:
        call: Identity of the call, the same as in the pieces and for all attempts.
        model: Name of the model; None is the plugin's default.
    """

    call: str = ""
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelCallEnded(LifeEvent):
    """The agent has the model's whole message.

    Attributes:
        call: Identity of the call.
        stop_reason: Strands' stop reason.
        usage: Tokens, with Strands' names: `inputTokens`, `outputTokens`, `totalTokens`.
        metrics: `latencyMs` and `timeToFirstByteMs`, as far as the provider gives them.
        message_id: Id of the message, if it has one.
    """

    call: str = ""
    stop_reason: str = ""
    usage: dict[str, int] = field(default_factory=dict[str, int])
    metrics: dict[str, float] = field(default_factory=dict[str, float])
    message_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class ModelCallFailed(LifeEvent):
    """A model call failed for good. `error` is the class, `message` the beginning of its text."""

    call: str = ""
    error: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class ToolCallDelta(LifeEvent):
    """A piece of the arguments of a tool call, while the model writes them.

    The texts of a `tool_use_id` in a `call` together are the arguments' JSON. The first piece may be empty:
    it says that the model begins the tool call. `ToolCall` has the complete arguments.
    """

    tool_use_id: str = ""
    name: str = ""
    text: str = ""
    call: str = ""


@dataclass(frozen=True, kw_only=True)
class ToolStarted(LifeEvent):
    """A tool begins to run. `ToolCall` says that the model asked for it."""

    name: str = ""
    tool_use_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ToolProgress(LifeEvent):
    """A value that a tool yields before its result. If `truncated`, `data` is the beginning of its JSON."""

    name: str = ""
    tool_use_id: str = ""
    data: Any = None
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class AgentStarted(LifeEvent):
    """A sub-agent began to run. `path` says which.

    Attributes:
        tool_use_id: The call of the outer agent that runs it.
        workflow_id: Id of the child workflow that it runs in; empty if it runs in the same workflow. What it
            does is in the child's own stream: `AgentStream(client, event.workflow_id)`.
        run_id: Id of the child's run.
    """

    tool_use_id: str | None = None
    workflow_id: str = ""
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class AgentEnded(LifeEvent):
    """A sub-agent ended.

    Attributes:
        tool_use_id: The call of the outer agent that ran it.
        stop_reason: Strands' stop reason; None if it failed.
        usage: Tokens of its own model calls, with Strands' names.
        error: Class and message of the error, if it failed.
        workflow_id: As in `AgentStarted`.
        run_id: As in `AgentStarted`.
    """

    tool_use_id: str | None = None
    stop_reason: str | None = None
    usage: dict[str, int] = field(default_factory=dict[str, int])
    error: str | None = None
    workflow_id: str = ""
    run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class NodeStarted(LifeEvent):
    """A node of a graph or swarm began. The last step of `path` is `node:<node>`."""

    node: str = ""


@dataclass(frozen=True, kw_only=True)
class NodeEnded(LifeEvent):
    """A node of a graph or swarm ended. `status` is Strands': `completed`, `failed`, `interrupted`."""

    node: str = ""
    status: str = ""
    error: str | None = None
    execution_time_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class HandedOver(LifeEvent):
    """The workflow continued as new. The new run publishes it first.

    `run_id` is the id of the old run, `new_run_id` the id of the new one.
    """

    run_id: str = ""
    new_run_id: str = ""


@dataclass(frozen=True, kw_only=True)
class StateChanged(LifeEvent):
    """Keys of `agent.state` changed. Needs `StreamHooks(state=True)`.

    `changes` has the new values, `removed` the keys that are gone. If `truncated`, values that are too large
    are missing: their keys have the beginning of the value's JSON text.
    """

    changes: dict[str, Any] = field(default_factory=dict[str, Any])
    removed: tuple[str, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Failed(LifeEvent):
    """An error ended the turn. `error` is the class, `message` the beginning of its text."""

    error: str = ""
    message: str = ""


ControlEvent: TypeAlias = (
    CallStarted
    | AttemptFailed
    | AttemptRestarted
    | OutputLost
    | ToolCall
    | ToolResult
    | SandboxOutput
    | TurnEnd
    | TurnStarted
    | ModelCallStarted
    | ModelCallEnded
    | ModelCallFailed
    | ToolStarted
    | ToolProgress
    | Decision
    | QuestionAsked
    | QuestionDecided
    | AgentStarted
    | AgentEnded
    | NodeStarted
    | NodeEnded
    | HandedOver
    | StateChanged
    | Failed
    | RequestStarted
    | RequestEnded
)
"""An event on the control topic."""

AgentEvent: TypeAlias = (
    ControlEvent
    | TextDelta
    | ReasoningDelta
    | TextRedacted
    | ToolCallDelta
    | MessageEnd
    | StreamGap
    | Snapshot
    | End
)
"""An event that an `AgentStream` yields. A `match` statement over it can be checked for completeness."""
