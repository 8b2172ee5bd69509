"""Refuses a conversation manager that could not do its work in a workflow."""

from strands.agent.conversation_manager import ConversationManager, SummarizingConversationManager
from strands.models import Model

from .._errors import AgentTypeError


def check_conversation_manager(owner: str, manager: ConversationManager) -> None:
    """Refuse Strands' `SummarizingConversationManager`, and a subclass that keeps its way to summarize.

    It calls its model synchronously (1.62: summarizing_conversation_manager.py:293), which a workflow cannot:
    the run would end at the first overflow, perhaps after days.

    Args:
        owner: Whose manager it is, for the message: "TemporalAgent(conversation_manager=...)".
        manager: The manager.

    Raises:
        AgentTypeError: If it is one.
    """
    if not isinstance(manager, SummarizingConversationManager) or _summarizes_by_itself(manager):
        return
    raise AgentTypeError(
        f"{owner}: {type(manager).__name__} calls its model synchronously, which a workflow cannot: the run "
        "would end at the first overflow. Give the agent context_manager='auto', which summarizes as well "
        "and waits for the model (declare context_window_limit= on the TemporalModel), or a "
        "SlidingWindowConversationManager"
    )


def _summarizes_by_itself(manager: SummarizingConversationManager) -> bool:
    """Tell whether the summary is made without a call that has to wait: by the user's own code or model."""
    own: set[str] = set()
    for cls in type(manager).__mro__:
        if cls is SummarizingConversationManager:
            break
        own |= vars(cls).keys()
    if own & {"reduce_context", "_generate_summary", "_generate_summary_with_model"}:
        return True
    agent = manager.summarization_agent
    return agent is not None and _is_users_own(agent.model)


def _is_users_own(model: Model) -> bool:
    return type(model).__module__.partition(".")[0] not in ("strands", "strands_temporal")
