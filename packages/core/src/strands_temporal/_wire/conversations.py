"""What a conversation (`Conversation`) and its clients exchange: its start, its answers and its state."""

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

SEND = "send"
"""Update that sends a message and returns the turn's `TurnResult`; signal that sends a message alone."""

CANCEL_TURN = "cancel_turn"
"""Update that stops the turn that runs. Returns whether one ran. As a signal: the same, see `SIGNAL_ID`."""

CLOSE = "close"
"""Update and signal that end the conversation after the turns that were sent before."""

SIGNAL_ID = "id"
"""Key of the optional argument of the signals `CANCEL_TURN` and `CLOSE`, `{"id": "..."}`. The query `STATE`
names the outcome by this id, and a signal with the same id counts once."""

MESSAGES = "messages"
"""Query for a page of the messages: `start`, `limit` -> `MessagesPage`."""

STATE = "state"
"""Query for `ConversationState`."""

AGENTS = "agents"
"""Query for the list of `AgentDescription`. Only `AgentWorkflow` has it."""

AGENT_WORKFLOW = "StrandsAgentWorkflow"
"""Workflow type of `AgentWorkflow`."""

AGENT_LIST_WORKFLOW = "StrandsAgentList"
"""Workflow type of the workflow that returns the list of `AgentDescription`."""

CONVERSATION_CARRY_VERSION = 1

ConversationStatus: TypeAlias = Literal[
    "idle", "thinking", "in_tool", "waiting_for_people", "waiting_for_client", "closing", "ended"
]
EndReason: TypeAlias = Literal["closed", "idle", "turn_limit", "token_budget"]


@dataclass(frozen=True)
class ConversationCarry:
    """A conversation as one compressed value, which its workflow passes to the next run.

    Attributes:
        data: Compressed JSON, as text.
        version: Layout of the data.
    """

    data: str
    version: int = CONVERSATION_CARRY_VERSION

    def __repr__(self) -> str:
        return f"ConversationCarry({len(self.data):,} bytes)"


@dataclass(frozen=True)
class ConversationStart:
    """The argument of a workflow with a `Conversation`.

    Attributes:
        agent: Name of an agent in `StrandsPlugin(agents=...)`. Only `AgentWorkflow` reads it.
        arguments: Keyword arguments for the function that makes the agent, as JSON values.
        carry: The conversation so far. Only the conversation itself sets it, at continue-as-new.
    """

    agent: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    carry: ConversationCarry | None = None


@dataclass(frozen=True)
class TurnResult:
    """The answer to one message.

    Attributes:
        turn: Number of the turn, from 1.
        text: The text of the agent's last message.
        stop_reason: Strands' stop reason: "end_turn", "cancelled", "interrupt", "limit_turns", ...
        structured_output: The structured output as JSON values, if the agent has an output model.
        usage: Tokens of the turn, sub-agents included: `input_tokens`, `output_tokens`, `model_calls` and
            the other counts of the query `usage`.
        steered: Whether the message was given to a turn that was running ("steer"). The other values are
            then those of that turn.
        interrupts: The questions with which the turn paused, if nothing in the workflow answers them: each
            with `id`, `name` and `reason`.
    """

    turn: int
    text: str
    stop_reason: str
    structured_output: Any = None
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    steered: bool = False
    interrupts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(frozen=True)
class ConversationState:
    """What a conversation does now.

    Attributes:
        status: "idle", "thinking" (the model is being called), "in_tool", "waiting_for_people",
            "waiting_for_client" (a client tool), "closing" or "ended".
        turn: Number of the current turn, or of the last one; 0 before the first.
        queued: How many messages wait for their turn.
        queued_bytes: How many bytes of JSON these messages have.
        running: The agents that work, each with `agent`, `state` and `tools`.
        usage: Tokens of the whole conversation, sub-agents included.
        agent: Name of the agent in `StrandsPlugin(agents=...)`, if it was started by name.
        run_id: The current run of the workflow.
        reason: Why the conversation ended or is closing (see `ConversationEnd`).
        signals: What became of the latest signals that no update answers, the latest one last. Each has
            `signal`, `id` and `outcome`. A `close` is "closing". A `cancel_turn` is "cancelling", then
            "cancelled", or "idle" if no turn ran. A message that was not taken is "dropped", with a
            `reason`.
        dropped: How many messages that came as signals were dropped.
        questions: The questions with which the last turn paused, if nothing in the workflow answers them:
            each with `id`, `name` and `reason`. The next message answers them. A reason that is too large for
            the state is a sentence with its size, and the question then has `cut`.
    """

    status: str
    turn: int = 0
    queued: int = 0
    running: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    agent: str | None = None
    run_id: str = ""
    reason: str | None = None
    queued_bytes: int = 0
    signals: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    dropped: int = 0
    questions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(frozen=True)
class MessagesPage:
    """A page of a conversation's messages, the oldest first.

    Attributes:
        messages: Strands' messages as JSON values. Bytes are written as `{"$b64": "..."}`;
            `ConversationClient` decodes them.
        start: Index of the first message of the page.
        total: How many messages the conversation has.
        next: `start` of the next page; None if this is the last page.
    """

    messages: list[dict[str, Any]]
    start: int = 0
    total: int = 0
    next: int | None = None


@dataclass(frozen=True)
class ConversationEnd:
    """How a conversation ended: the result of `AgentWorkflow`.

    Attributes:
        reason: "closed" (by the update `close`), "idle" (`idle_timeout`), "turn_limit" (`max_turns`) or
            "token_budget" (`max_tokens`).
        turns: How many turns there were.
        usage: Tokens of the whole conversation, sub-agents included.
    """

    reason: str
    turns: int = 0
    usage: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class AgentDescription:
    """An agent that a client can start by name.

    Attributes:
        name: Name in `StrandsPlugin(agents=...)`.
        description: What it is for.
        input_schema: JSON schema of the typed data that `send` takes; None for text and content blocks.
        client_tools: Names of the tools that a client has to run.
    """

    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    client_tools: list[str] = field(default_factory=list[str])
