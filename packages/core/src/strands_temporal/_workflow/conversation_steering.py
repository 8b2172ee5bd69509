"""Gives an agent the messages that come while its turn runs (`while_busy="steer"`)."""

import math

from strands import Agent
from strands.hooks import AfterToolsEvent, MessageAddedEvent
from strands.types.content import Message

from .conversation_inbox import Inbox
from .conversation_parts import ConversationParts
from .conversation_turns import Sent
from .hand_over import TurnHandOver


class Steering:
    """Writes messages beside the results of the tools, before Strands adds these to the conversation.

    So whatever keeps the conversation gets them as a part of it: a session manager, a memory store, the stash
    of a context manager.

    Args:
        agent: The conversation's agent.
        inbox: The conversation's inbox.
        hand_over: The agent's hand-over.
        parts: The conversation's parts of other packages, which are told of the messages.
    """

    def __init__(self, agent: Agent, inbox: Inbox, hand_over: TurnHandOver, parts: ConversationParts) -> None:
        self._inbox = inbox
        self._parts = parts
        self._hand_over = hand_over
        self._written: tuple[Message, list[Sent]] | None = None
        # After the user's hooks, which may end the turn, and before the hand-over's, which may stop it here:
        # of two hooks of the same order Strands calls the later one first.
        agent.hooks.add_callback(AfterToolsEvent, self._after_tools, order=math.inf)
        agent.hooks.add_callback(MessageAddedEvent, self._message_added)

    def _after_tools(self, event: AfterToolsEvent) -> None:
        self._written = None
        given = list(self._inbox.turns.steering)
        if given and self._hand_over.goes_on_after(event) and not self._is_at_limit(event.agent):
            for sent in given:
                event.message["content"].extend(self._inbox.reader.blocks_of(sent.message))
            self._written = event.message, given

    def _message_added(self, event: MessageAddedEvent) -> None:
        """Note that the agent has the messages. If a tool asks a person, Strands does not add its results."""
        if self._written is None or event.message is not self._written[0]:
            return
        _, given = self._written
        self._written = None
        self._inbox.turns.join(given)
        for sent in given:
            self._parts.turn_started(sent, self._inbox.turns.turn)

    def _is_at_limit(self, agent: Agent) -> bool:
        """Tell whether Strands ends the turn here, because of `limits` (1.62: event_loop.py:70)."""
        invocation = agent.event_loop_metrics.latest_agent_invocation
        limits = self._inbox.settings.limits
        if not limits or invocation is None:
            return False
        used = {
            "turns": len(invocation.cycles),
            "total_tokens": invocation.usage.get("totalTokens", 0),
            "output_tokens": invocation.usage.get("outputTokens", 0),
        }
        return any(used[name] >= most for name, most in limits.items() if isinstance(most, int))
