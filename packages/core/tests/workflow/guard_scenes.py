"""For tests of guards: a tool that must not run without a verdict, and a model that calls it."""

from typing import Any

from strands import tool
from temporalio import activity

from strands_temporal import TemporalAgent
from strands_temporal.testing import AgentFactory, Reply, ScriptedCall, say, use_tool
from strands_temporal.workflow import activity_as_tool

ran: list[str] = []
"""What the guarded tools did, as activities: workflow code would run again at each replay."""


@activity.defn
async def delete_table(table: str) -> str:
    """Delete a table."""
    ran.append(table)
    return f"deleted {table}"


@tool(name="delete_table")
async def plain_delete_table(table: str) -> str:
    """Delete a table."""
    return f"deleted {table}"


def host(call: ScriptedCall) -> Reply:
    if len(call.messages) == 1:
        return use_tool("delete_table", {"table": "users"})
    return say(f"read: {call.text}")


def tools_of(make: AgentFactory) -> list[Any]:
    return [activity_as_tool(delete_table) if make.durable else plain_delete_table]


def steered(**arguments: Any) -> TemporalAgent:
    return TemporalAgent("host", tools=[activity_as_tool(delete_table)], callback_handler=None, **arguments)
