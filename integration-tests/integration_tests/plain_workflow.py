"""A workflow without an agent, in a module that imports nothing of Strands: what a user had before."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def greet(name: str) -> str:
    """Greet."""
    return f"Hello, {name}"


@workflow.defn
class NoAgentWorkflow:
    """Calls one activity."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Greet by an activity."""
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=10))
