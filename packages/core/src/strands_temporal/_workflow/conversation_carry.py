"""Carries a conversation to the next run of its workflow."""

from dataclasses import dataclass, field
from typing import Any

from strands import Agent

from .._errors import AgentTypeError
from .._wire.carry import CarryFormat
from .._wire.conversations import CONVERSATION_CARRY_VERSION, ConversationCarry
from .._wire.reading import read_as
from .carry import AgentCarry, unpack

FORMAT = CarryFormat(
    ConversationCarry,
    CONVERSATION_CARRY_VERSION,
    "ConversationStart(carry=...)",
    made_by="a Conversation",
    package="strands-temporal",
)


@dataclass(frozen=True)
class _Content:
    """What a `ConversationCarry` holds, checked when it is read. Each part reads its own."""

    agent: dict[str, Any] = field(default_factory=dict[str, Any])
    turns: dict[str, Any] = field(default_factory=dict[str, Any])
    reason: str | None = None
    signals: dict[str, Any] | None = None
    parts: dict[str, Any] = field(default_factory=dict[str, Any])
    calls: dict[str, Any] | None = None
    turn: dict[str, Any] | None = None
    usage_before: dict[str, Any] = field(default_factory=dict[str, Any])
    idle_since: float = 0.0


def pack_conversation(agent: AgentCarry, rest: dict[str, Any]) -> ConversationCarry:
    """Return the carry of a conversation.

    Args:
        agent: The carry of its agent.
        rest: Everything else: JSON values and bytes.

    Raises:
        AgentTypeError: If something in `rest` is neither JSON nor bytes.
    """
    try:
        data = FORMAT.pack({"agent": {"data": agent.data, "version": agent.version}, **rest})
    except (TypeError, ValueError) as error:
        raise AgentTypeError(f"The conversation cannot be carried into another run: {error}") from error
    return ConversationCarry(data)


def unpack_conversation(carry: ConversationCarry | None) -> dict[str, Any]:
    """Return the content of a carry; nothing for None.

    Raises:
        AgentTypeError: If it is not a `ConversationCarry`.
        AgentValueError: If it is damaged, or from a newer release.
    """
    if carry is None:
        return {}
    content = FORMAT.unpack(carry)
    FORMAT.content_as(_Content, content)
    return content


def restore_agent_of(content: dict[str, Any], agent: Agent) -> None:
    """Restore the conversation's agent, which was just made. It keeps a system prompt that its maker gave.

    Raises:
        AgentValueError: See `TemporalAgent(carry=...)`.
    """
    if "agent" in content:
        carry = read_as(AgentCarry, content["agent"])
        unpack(carry, agent, keep_system_prompt=agent.system_prompt is not None)
