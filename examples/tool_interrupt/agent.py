"""A tool pauses the agent; a person decides in the chat, or at the command line."""

from datetime import timedelta

from strands import ToolContext, tool  # pyright: ignore[reportUnknownVariableType]  # a bare dict in `tool`

from strands_temporal import AgentDefinition, TemporalAgent
from strands_temporal_hitl import Approvals

TASK_QUEUE = "strands-tool-interrupt"
MODEL = "model"


@tool(context=True)
def delete_thing(name: str, tool_context: ToolContext) -> str:
    """Delete a thing.

    Args:
        name: The thing's name.
        tool_context: Given by Strands.
    """
    if tool_context.interrupt("approval", reason=f"Delete {name}?") is not True:
        return f"{name} was kept"
    return f"deleted {name}"


def make_cleaner() -> TemporalAgent:
    """Return the agent."""
    return TemporalAgent(
        model=MODEL,
        tools=[delete_thing],
        callback_handler=None,
        start_to_close_timeout=timedelta(seconds=60),
    )


CLEANER = AgentDefinition(
    make_cleaner,
    description="Deletes things, after a person has agreed.",
    # It waits up to a day for each decision; after that, the answer is no.
    approvals=lambda carry: Approvals(deadline=timedelta(days=1), carry=carry),
)
