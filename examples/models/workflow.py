"""Two agents with different models. The workflow knows the models only by name."""

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
    """Asks two models the same question."""

    def __init__(self) -> None:
        self.first = TemporalAgent(
            model=CHOSEN,
            system_prompt=SYSTEM_PROMPT,
            start_to_close_timeout=timedelta(seconds=60),
            callback_handler=None,
        )
        # The model alone makes a plain Strands agent durable. Each handle has its own options.
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
