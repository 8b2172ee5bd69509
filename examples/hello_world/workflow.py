"""The smallest durable agent: each call of its model is an activity."""

from datetime import timedelta

from temporalio import workflow

from strands_temporal import TemporalAgent

TASK_QUEUE = "strands-hello-world"
MODEL = "chosen"


@workflow.defn
class HelloWorldWorkflow:
    """Answers one prompt."""

    def __init__(self) -> None:
        self.agent = TemporalAgent(
            model=MODEL,
            system_prompt="Answer in one short sentence.",
            start_to_close_timeout=timedelta(seconds=60),
            callback_handler=None,  # Strands' default prints, and each replay would print again
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Ask the agent."""
        return str(await self.agent.invoke_async(prompt)).strip()
