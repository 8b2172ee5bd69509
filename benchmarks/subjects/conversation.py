"""What the conversations of all subjects share, so that the same is measured."""

from typing import Any

from temporalio import workflow

from benchmarks.load import Load, prompt


class Idles:
    """A workflow that may stay when it has taken its turns."""

    def __init__(self) -> None:
        self._idle = False

    @workflow.query
    def idle(self) -> bool:
        """Tell whether all turns were taken."""
        return self._idle

    async def rest(self, load: Load, answer: str) -> str:
        """Stay if that is asked for; return how the last answer begins."""
        self._idle = True
        await workflow.wait_condition(lambda: not load.idle)
        return answer[:50]


async def talk(agent: Any, load: Load) -> str:
    """Take an agent's turns, and return its last answer."""
    answer = ""
    for turn in range(1, load.turns + 1):
        answer = str(await agent.invoke_async(prompt(turn)))
    return answer
