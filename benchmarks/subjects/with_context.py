"""strands-temporal with a tool that takes the tool context, and an agent that has a state."""

from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.workflow import activity_as_tool

with workflow.unsafe.imports_passed_through():  # Temporal's advice for modules without workflow state
    from benchmarks.load import Load, text
    from benchmarks.subjects.conversation import Idles, talk

TIMEOUT = timedelta(seconds=60)
STATE_BYTES = 1000


@activity.defn(name="look_up")
async def look_up_in_context(key: str, size: int, tool_context: ToolContext) -> str:
    """Look something up, as the tool of the other subjects does; read the agent's state, too.

    Args:
        key: What to look up.
        size: Bytes of the result.
        tool_context: The context.
    """
    if len(str(tool_context.agent_state.get("notes"))) != STATE_BYTES:
        raise AssertionError("the agent's state did not arrive")
    return f"[{key}] {text(key, size)}"


def plugins(model: Any) -> list[Any]:
    """Return the plugin, with the model that answers."""
    return [StrandsPlugin(models={"bench": lambda: model})]


def activities() -> list[Any]:
    """Return the tool."""
    return [look_up_in_context]


@workflow.defn
class Conversation(Idles):
    """A conversation of one agent."""

    @workflow.run
    async def run(self, load: Load, before: list[Any]) -> str:
        """Take the turns; return the beginning of the last answer."""
        tools = [activity_as_tool(look_up_in_context, name="look_up", start_to_close_timeout=TIMEOUT)]
        state = {"notes": text("state", STATE_BYTES)}
        agent = TemporalAgent("bench", messages=before, tools=tools, state=state, callback_handler=None)
        return await self.rest(load, await talk(agent, load))
