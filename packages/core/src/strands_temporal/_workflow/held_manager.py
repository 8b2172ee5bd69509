"""Stands in for a conversation manager, and keeps it from acting where Strands ends only a part of a turn."""

from typing import Any

from strands import Agent
from strands.agent.conversation_manager import ConversationManager
from typing_extensions import override


class ManagerStandIn(ConversationManager):
    """Replaces an agent's manager for some steps. Passes all calls on; a subclass changes one of them.

    Attributes:
        manager: The manager.
    """

    def __init__(self, manager: ConversationManager) -> None:
        super().__init__()
        self.manager = manager

    @override
    def apply_management(self, agent: Agent, **kwargs: Any) -> None:
        """See base class."""
        self.manager.apply_management(agent, **kwargs)

    @override
    def reduce_context(self, agent: Agent, e: Exception | None = None, **kwargs: Any) -> None:
        """See base class."""
        self.manager.reduce_context(agent, e, **kwargs)

    @override
    def get_state(self) -> dict[str, Any]:
        """See base class."""
        return self.manager.get_state()

    @override
    def restore_from_session(self, state: dict[str, Any]) -> list[Any] | None:
        """See base class."""
        return self.manager.restore_from_session(state)


class HeldManager(ManagerStandIn):
    """Replaces an agent's manager while a turn is cut between two steps (`hand_over.py`).

    Strands calls the manager at the end of an invocation, and the turn does not end there.

    Attributes:
        was_asked: Whether Strands wanted the conversation managed.
    """

    def __init__(self, manager: ConversationManager) -> None:
        super().__init__(manager)
        self.was_asked = False

    @override
    def apply_management(self, agent: Agent, **kwargs: Any) -> None:
        """Only remember the call."""
        self.was_asked = True
