"""The present state of a run, as one event."""

from dataclasses import dataclass, field
from typing import Any

from ._decision_types import QuestionAsked
from ._types import LifeEvent, ToolCall


@dataclass(frozen=True, kw_only=True)
class RunningAgent:
    """An agent that runs now, in a `Snapshot`. The fields are those of its `AgentStarted`."""

    agent: str = ""
    path: tuple[str, ...] = ()
    tool_use_id: str | None = None
    workflow_id: str = ""


@dataclass(frozen=True, kw_only=True)
class RunningCall:
    """A model call that runs now, in a `Snapshot`, with the output of its newest attempt so far.

    If `truncated`, `text` and `reasoning` are only the ends: the stream no longer has the rest.
    """

    call: str = ""
    agent: str = ""
    path: tuple[str, ...] = ()
    model: str | None = None
    text: str = ""
    reasoning: str = ""
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Snapshot(LifeEvent):
    """The present state. A reader gets it first if it asks (`snapshot=True`), and after a `StreamGap`.

    All events before `offset + 1` are in it; the next event is the one at `offset + 1`.

    Attributes:
        status: `idle` between two turns, `running`, or `waiting` for answers to `questions`.
        messages: The last messages of the outermost agent, in JSON values, without bytes.
        first_message: Index of the first one of them in the conversation.
        agents: The sub-agents and nodes that run now.
        questions: The questions that wait for an answer.
        tool_calls: The tool calls that have no result yet.
        calls: The model calls that run now.
        usage: Tokens of the conversation so far, with Strands' names.
        truncated: Whether a message is missing because it is too large.
    """

    status: str = "idle"
    messages: tuple[Any, ...] = ()
    first_message: int = 0
    agents: tuple[RunningAgent, ...] = ()
    questions: tuple[QuestionAsked, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    calls: tuple[RunningCall, ...] = ()
    usage: dict[str, int] = field(default_factory=dict[str, int])
    truncated: bool = False
