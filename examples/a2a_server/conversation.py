"""The durable agent behind the server. Each conversation of the A2A protocol is one with this agent."""

from datetime import timedelta

from temporalio import activity

from strands_temporal import AgentDefinition, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.workflow import activity_as_tool

TASK_QUEUE = "strands-a2a-server"
MODEL = "chosen"
AGENT = "rooms"


@activity.defn
async def book_room(city: str, tool_context: ToolContext) -> str:
    """Book a room, if the caller confirms it.

    Args:
        city: Where.
        tool_context: The call.
    """
    answer = tool_context.interrupt("confirm", reason=f"Book a room in {city}?")
    return f"booked a room in {city}" if str(answer).lower().startswith("y") else "not booked"


def make_agent() -> TemporalAgent:
    """Make the agent of one conversation."""
    return TemporalAgent(
        model=MODEL,
        system_prompt="You book rooms. Answer in one short sentence.",
        tools=[activity_as_tool(book_room)],
        callback_handler=None,
    )


AGENTS = {AGENT: AgentDefinition(make_agent, approvals=False, idle_timeout=timedelta(days=7))}
"""The caller answers the agent's questions, so the workflow has no `Approvals`. A conversation ends when it
has had no message for a week."""
