"""A tool that is an activity pauses the agent; the client decides with `ApprovalsClient`."""

from datetime import timedelta

from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.workflow import activity_as_tool
from strands_temporal_hitl import Approvals

TASK_QUEUE = "strands-activity-interrupt"
MODEL = "model"


@activity.defn
async def delete_thing(name: str, tool_context: ToolContext) -> str:
    """Delete a thing.

    Args:
        name: The thing's name.
        tool_context: Given by strands-temporal; the model does not see it.
    """
    # When there is an answer, the activity runs again from its start. So ask before doing anything.
    if tool_context.interrupt("approval", reason=f"Delete the protected resource {name!r}?") is not True:
        return f"{name} was kept"
    return f"deleted {name}"


@workflow.defn
class ActivityInterruptWorkflow:
    """Waits without limit for each decision."""

    def __init__(self) -> None:
        self._approvals = Approvals()

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Run the agent, with people's decisions."""
        agent = TemporalAgent(
            model=MODEL,
            tools=[activity_as_tool(delete_thing, start_to_close_timeout=timedelta(seconds=30))],
            callback_handler=None,
            start_to_close_timeout=timedelta(seconds=60),
        )
        return str(await self._approvals.run(agent, prompt)).strip()
