"""What is measured: an agent's turns, and the floor's."""

from datetime import timedelta

from temporalio import activity, workflow

from strands_temporal import TemporalAgent

ANSWER = "durable execution keeps what was done. " * 4
"""What the model says at each turn, of the agent and of the floor."""


@activity.defn
async def answer(message: str) -> str:
    """Answer: the floor's model call."""
    return ANSWER


@workflow.defn
class AgentTurns:
    """A conversation of an agent with Strands' default window of 40 messages."""

    @workflow.run
    async def run(self, turns: int) -> None:
        """Take `turns` turns."""
        agent = TemporalAgent("scripted", callback_handler=None)
        for turn in range(turns):
            await agent.invoke_async(f"turn {turn}: and what then?")


@workflow.defn
class FloorTurns:
    """The same conversation without an agent: the new message in, the answer out."""

    @workflow.run
    async def run(self, turns: int) -> None:
        """Take `turns` turns."""
        for turn in range(turns):
            await workflow.execute_activity(
                answer, f"turn {turn}: and what then?", start_to_close_timeout=timedelta(seconds=10)
            )
