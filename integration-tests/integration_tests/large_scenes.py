"""Agents whose answers, tool inputs and tool results are large."""

import random
from typing import Any

from temporalio import activity, workflow

from strands_temporal import AgentCarry, TemporalAgent
from strands_temporal.workflow import activity_as_tool


def text(size: int) -> str:
    """Return a random text of hexadecimal digits, the same for the same size."""
    return random.Random(size).randbytes(size // 2 + 1).hex()[:size]  # noqa: S311  # not for secrets


@activity.defn
async def write(size: int) -> str:
    """Write a long text."""
    return text(size)


@activity.defn
async def count(text: str) -> str:
    """Count letters."""
    return "x" * (len(text) // 1_000_000)


@workflow.defn(sandboxed=False)
class LargeWorkflow:
    @workflow.run
    async def run(self, prompts: list[str], state: int = 0) -> list[str]:
        agent = TemporalAgent(
            "m", tools=[activity_as_tool(write), activity_as_tool(count)], callback_handler=None
        )
        given: dict[str, Any] = {"invocation_state": {"notes": "n" * state}} if state else {}
        return [str(len(str(await agent.invoke_async(prompt, **given)))) for prompt in prompts]


@workflow.defn(sandboxed=False)
class LargeCarryWorkflow:
    @workflow.run
    async def run(self, prompt: str, carry: AgentCarry | None = None) -> int:
        agent = TemporalAgent("m", callback_handler=None, carry=carry)
        if carry is None:
            await agent.invoke_async(prompt)
            workflow.continue_as_new(args=["", agent.carry()])
        return len(agent.messages)
