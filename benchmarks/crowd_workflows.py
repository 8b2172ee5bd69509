"""The workflows of `python -m benchmarks.crowd`."""

from dataclasses import dataclass

from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.workflow import activity_as_tool


@dataclass
class Job:
    """What an agent does.

    Attributes:
        turns: Its turns.
        models: Task queue of its model; None is the workflow's.
        tool: Whether it has a tool.
        waits: Whether the workflow stays open, as a chat does, until it is told to end.
    """

    turns: int = 1
    models: str | None = None
    tool: bool = False
    waits: bool = False


@activity.defn
async def look_up(topic: str) -> str:
    """Look something up."""
    return f"{topic} is blue"


@workflow.defn
class CrowdWorkflow:
    """One agent of many."""

    def __init__(self) -> None:
        self._ends = False
        self._turns = 0

    @workflow.run
    async def run(self, job: Job) -> str:
        """Run the agent."""
        options = {"task_queue": job.models} if job.models else {}
        agent = TemporalAgent(
            "m",
            tools=[activity_as_tool(look_up)] if job.tool else [],
            callback_handler=None,
            **options,  # pyright: ignore[reportArgumentType]  # options of one kind
        )
        text = ""
        for turn in range(job.turns):
            text = str(await agent.invoke_async(f"turn {turn}")).strip()
            self._turns += 1
        await workflow.wait_condition(lambda: self._ends or not job.waits)
        return text

    @workflow.query
    def turns(self) -> int:
        """Return how many turns there were."""
        return self._turns

    @workflow.signal
    def end(self) -> None:
        """End an agent that waits."""
        self._ends = True
