"""A workflow with an agent, and one with a tool hosted on the worker."""

from temporalio import workflow

from strands_temporal import TemporalAgent
from strands_temporal.workflow import TemporalTools


@workflow.defn
class HelloWorkflow:
    """Answers a prompt."""

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Answer."""
        return str(await TemporalAgent("m", callback_handler=None).invoke_async(prompt)).strip()


@workflow.defn
class ShopWorkflow:
    """Orders what a person wants."""

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Order."""
        agent = TemporalAgent("gpt", tools=[TemporalTools("order")], callback_handler=None)
        return str(await agent.invoke_async(prompt)).strip()
