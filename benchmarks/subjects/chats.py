"""strands-temporal with chats that stay open: each turn is an update."""

import asyncio
from typing import Any

from temporalio import workflow

from strands_temporal import StrandsPlugin, TemporalAgent

with workflow.unsafe.imports_passed_through():  # Temporal's advice for modules without workflow state
    from benchmarks.load import Load, prompt


def plugins(model: Any) -> list[Any]:
    """Return the plugin, with the model that answers."""
    return [StrandsPlugin(models={"bench": lambda: model})]


@workflow.defn
class Conversation:
    """A chat with one agent."""

    @workflow.init
    def __init__(self, load: Load, before: list[Any]) -> None:
        self._agent = TemporalAgent("bench", messages=before, callback_handler=None)
        self._lock = asyncio.Lock()

    @workflow.run
    async def run(self, load: Load, before: list[Any]) -> str:
        """Stay open."""
        await workflow.wait_condition(lambda: False)
        return ""

    @workflow.update
    async def turn(self, number: int) -> str:
        """Take a turn; return the beginning of its answer."""
        async with self._lock:
            return str(await self._agent.invoke_async(prompt(number)))[:50]
