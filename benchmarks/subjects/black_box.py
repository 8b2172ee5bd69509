"""The PyPI package `temporalio-strands-agents`, in its own environment. We know it by its README only."""

# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# The environment of the type checker does not have that package.

from datetime import timedelta
from typing import Any

from strands.agent.conversation_manager import NullConversationManager
from temporalio import workflow
from temporalio.strands_agents import StrandsPlugin, TemporalAgent
from temporalio.strands_agents.workflow import activity_as_tool

with workflow.unsafe.imports_passed_through():  # Temporal's advice for modules without workflow state
    from benchmarks.backend import look_up
    from benchmarks.load import Load
    from benchmarks.subjects.conversation import Idles, talk

TIMEOUT = timedelta(seconds=60)


def plugins(model: Any) -> list[Any]:
    """Return the plugin, with the model that answers."""
    return [StrandsPlugin(models={"bench": lambda: model})]


@workflow.defn
class Conversation(Idles):
    """A conversation of one agent."""

    @workflow.run
    async def run(self, load: Load, before: list[Any]) -> str:
        """Take the turns; return the beginning of the last answer."""
        tools = [activity_as_tool(look_up, start_to_close_timeout=TIMEOUT)] if load.calls else []
        manager: dict[str, Any] = {} if load.window else {"conversation_manager": NullConversationManager()}
        agent = TemporalAgent(
            model="bench",
            messages=before,
            tools=tools,
            callback_handler=None,
            start_to_close_timeout=TIMEOUT,
            **manager,
        )
        return await self.rest(load, await talk(agent, load))
