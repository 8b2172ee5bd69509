"""Code shared by the conversations of all subjects, so that all do the same work."""

from typing import Any

from temporalio import workflow

from benchmarks.load import Load, prompt


class Idles:
    """A workflow that may stay open after its turns."""

    def __init__(self) -> None:
        self._idle = False

    @workflow.query
    def idle(self) -> bool:
        """Tell whether all turns are done."""
        return self._idle

    async def rest(self, load: Load, answer: str) -> str:
        """Stay open if the load says so, then return the beginning of the last answer."""
        self._idle = True
        await workflow.wait_condition(lambda: not load.idle)
        return answer[:50]


async def talk(agent: Any, load: Load) -> str:
    """Take an agent's turns, and return its last answer."""
    answer = ""
    for turn in range(1, load.turns + 1):
        answer = str(await agent.invoke_async(prompt(turn)))
    return answer
