"""A tool pauses the agent; a person decides at the command line."""

from datetime import timedelta

from strands import ToolContext, tool  # pyright: ignore[reportUnknownVariableType]  # a bare dict in `tool`
from temporalio import workflow

from strands_temporal import TemporalAgent
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


@workflow.defn
class ToolInterruptWorkflow:
    """Waits up to a day for each decision; after that, the answer is no."""

    def __init__(self) -> None:
        self._approvals = Approvals(deadline=timedelta(days=1))

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Run the agent, with people's decisions."""
        agent = TemporalAgent(
            model=MODEL,
            tools=[delete_thing],
            callback_handler=None,
            start_to_close_timeout=timedelta(seconds=60),
        )
        return str(await self._approvals.run(agent, prompt)).strip()
