"""The agent: people decide whether it may book."""

from strands import tool
from strands.vended_interventions.hitl import HumanInTheLoop

from strands_temporal import TemporalAgent

TASK_QUEUE = "strands-front-end"
MODEL = "chosen"


@tool
def book_table(day: str) -> str:
    """Book a table for a day."""
    return f"booked for {day}"


def host() -> TemporalAgent:
    """Make the agent."""
    return TemporalAgent(
        MODEL,
        streaming_topic="events",
        tools=[book_table],
        interventions=[HumanInTheLoop()],
        callback_handler=None,
    )
