"""Two agents with different models, known to the workflow by name only."""

import asyncio
from datetime import timedelta

from strands import Agent
from temporalio import workflow

from strands_temporal import TemporalAgent, TemporalModel

TASK_QUEUE = "strands-models"
CHOSEN = "chosen"
SMALL = "small"

SYSTEM_PROMPT = "Answer in one short sentence."


@workflow.defn
class ModelsWorkflow:
    """Asks two models the same."""

    def __init__(self) -> None:
        self.first = TemporalAgent(
            model=CHOSEN,
            system_prompt=SYSTEM_PROMPT,
            start_to_close_timeout=timedelta(seconds=60),
            callback_handler=None,
        )
        # A plain Strands agent becomes durable by its model alone. Options are each handle's own.
        self.second = Agent(
            model=TemporalModel(SMALL, start_to_close_timeout=timedelta(minutes=2)),
            system_prompt=SYSTEM_PROMPT,
            retry_strategy=None,  # Temporal retries
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> dict[str, str]:
        """Return the answer of each model, by the model's name."""
        first, second = await asyncio.gather(
            self.first.invoke_async(prompt), self.second.invoke_async(prompt)
        )
        return {CHOSEN: str(first).strip(), SMALL: str(second).strip()}
