"""The floor: a plain workflow with the same activities. Each gets only the new message or tool result."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():  # Temporal's advice for modules without workflow state
    from benchmarks.load import Load, prompt
    from benchmarks.subjects.conversation import Idles

TIMEOUT = timedelta(seconds=60)


def plugins(model: Any) -> list[Any]:
    """Return nothing: the floor has no plugin."""
    return []


@workflow.defn
class Conversation(Idles):
    """A conversation without an agent: the least history that holds every message once."""

    @workflow.run
    async def run(self, load: Load, before: list[Any]) -> str:
        """Take the turns; return the beginning of the last answer."""
        answer = ""
        for turn in range(1, load.turns + 1):
            answer = await workflow.execute_activity("answer", prompt(turn), start_to_close_timeout=TIMEOUT)
            while isinstance(answer, dict):
                result = await workflow.execute_activity(
                    "look_up", args=[answer["key"], answer["size"]], start_to_close_timeout=TIMEOUT
                )
                answer = await workflow.execute_activity("answer", result, start_to_close_timeout=TIMEOUT)
        return await self.rest(load, answer)
