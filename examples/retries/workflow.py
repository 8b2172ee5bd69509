"""An agent with its own retry policy: Temporal retries its model calls."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from strands_temporal import TemporalAgent

TASK_QUEUE = "strands-retries"
MODEL = "chosen"
ATTEMPTS = 3


@workflow.defn
class RetriesWorkflow:
    """Answers one prompt."""

    def __init__(self) -> None:
        # Strands' own retries are off in a TemporalAgent: `retry_strategy=...` is an error.
        self.agent = TemporalAgent(
            model=MODEL,
            system_prompt="Answer in one short sentence.",
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=ATTEMPTS),
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Ask the agent."""
        return str(await self.agent.invoke_async(prompt)).strip()
