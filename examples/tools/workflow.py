"""An agent with two tools: one computes and runs in the workflow, the other does I/O and is an activity."""

import asyncio
import shutil
from dataclasses import dataclass, field
from datetime import timedelta

from strands import tool  # pyright: ignore[reportUnknownVariableType]  # a bare dict in `tool`
from strands.types.exceptions import MaxTokensReachedException
from temporalio import activity, workflow

from strands_temporal import TemporalAgent
from strands_temporal.workflow import activity_as_tool

TASK_QUEUE = "strands-tools"
MODEL = "chosen"


@tool
def letter_counter(word: str, letter: str) -> int:
    """Count how often a letter occurs in a word.

    Args:
        word: The word to look at.
        letter: One letter.
    """
    return word.lower().count(letter.lower())


@activity.defn
async def free_disk_space(path: str) -> str:
    """Look up how much space is free on a disk.

    Args:
        path: A folder on that disk, for example `/`.
    """
    usage = await asyncio.to_thread(shutil.disk_usage, path)
    return f"{usage.free / 1e9:.1f} GB"


@dataclass
class Answer:
    """The agent's answer and the tools behind it.

    Attributes:
        text: The agent's answer.
        calls: How often it called each tool.
    """

    text: str
    calls: dict[str, int] = field(default_factory=dict[str, int])


@workflow.defn
class ToolsWorkflow:
    """Answers one prompt."""

    def __init__(self) -> None:
        self.agent = TemporalAgent(
            model=MODEL,
            system_prompt="Use your tools. Answer in one short sentence.",
            tools=[
                letter_counter,
                activity_as_tool(free_disk_space, start_to_close_timeout=timedelta(seconds=30)),
            ],
            start_to_close_timeout=timedelta(seconds=60),
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> Answer:
        """Ask the agent."""
        try:
            text = str(await self.agent.invoke_async(prompt)).strip()
        except MaxTokensReachedException:  # the class that a plain agent raises, too: a small model rambles
            text = "(the answer did not end within the model's limit)"
        tools = self.agent.event_loop_metrics.tool_metrics
        return Answer(text, {name: metrics.call_count for name, metrics in tools.items()})
