"""strands-temporal with one turn that is longer than a history: it goes on in the next run."""

from datetime import timedelta
from typing import Any

from strands.agent.conversation_manager import SlidingWindowConversationManager
from temporalio import workflow

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent
from strands_temporal.workflow import TurnHandOver, activity_as_tool

with workflow.unsafe.imports_passed_through():  # Temporal's advice for modules without workflow state
    from benchmarks.backend import look_up
    from benchmarks.load import Load, prompt

TIMEOUT = timedelta(seconds=60)
FIRST_RUN = [None, None]
"""What the first run has of an earlier one."""


def plugins(model: Any) -> list[Any]:
    """Return the plugin, with the model that answers."""
    return [StrandsPlugin(models={"bench": lambda: model})]


@workflow.defn
class Conversation:
    """One turn, with hand-over when Temporal suggests to continue as new."""

    @workflow.run
    async def run(
        self,
        load: Load,
        before: list[Any],
        carry: AgentCarry | None,
        turn: dict[str, Any] | None,
    ) -> str:
        """Take the turn; return the beginning of its answer."""
        tools = [activity_as_tool(look_up, start_to_close_timeout=TIMEOUT)]
        manager: dict[str, Any] = (
            {"conversation_manager": SlidingWindowConversationManager(per_turn=True)} if load.window else {}
        )
        agent = TemporalAgent("bench", tools=tools, callback_handler=None, carry=carry, **manager)
        suggested = workflow.info().is_continue_as_new_suggested
        hand_over = TurnHandOver(agent, suggested, carried=turn)
        result = await hand_over.run(agent.invoke_async, prompt(1))
        if result is None:
            workflow.continue_as_new(args=[load, before, agent.carry(), hand_over.carry()])
        return str(result)[:50]
