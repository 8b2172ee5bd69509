"""The floor: a plain workflow with the same activities, the new message in and the answer out."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():  # Temporal's advice for what holds no state of a workflow
    from benchmarks.load import Load, prompt
    from benchmarks.subjects.conversation import Idles

TIMEOUT = timedelta(seconds=60)


def plugins(model: Any) -> list[Any]:
    """Return nothing: the floor has no plugin."""
    return []


@workflow.defn
class Conversation(Idles):
    """A conversation without an agent. Nobody who keeps each message in history can write less."""

    @workflow.run
    async def run(self, load: Load, before: list[Any]) -> str:
        """Take the turns; return how the last answer begins."""
        answer = ""
        for turn in range(1, load.turns + 1):
            answer = await workflow.execute_activity("answer", prompt(turn), start_to_close_timeout=TIMEOUT)
            while isinstance(answer, dict):
                result = await workflow.execute_activity(
                    "look_up", args=[answer["key"], answer["size"]], start_to_close_timeout=TIMEOUT
                )
                answer = await workflow.execute_activity("answer", result, start_to_close_timeout=TIMEOUT)
        return await self.rest(load, answer)
