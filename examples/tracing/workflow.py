"""An agent whose calls are traced."""

from datetime import timedelta

from temporalio import workflow

from strands_temporal import TemporalAgent

TASK_QUEUE = "strands-tracing"
MODEL = "chosen"


@workflow.defn
class TracingWorkflow:
    """Answers one prompt."""

    def __init__(self) -> None:
        self.agent = TemporalAgent(
            model=MODEL,
            name="Poet",
            start_to_close_timeout=timedelta(seconds=60),
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Return the agent's answer."""
        return str(await self.agent.invoke_async(prompt)).strip()
