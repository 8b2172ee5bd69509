"""A graph of eight nodes, and a worker for it in a process of its own: `python -m ... ADDRESS QUEUE`."""

import asyncio
import sys
from typing import Any

from strands.multiagent import GraphBuilder
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say

NAMES = [f"{colour}-{shape}" for colour in ("red", "green", "blue", "white") for shape in ("ring", "cube")]


def named(call: ScriptedCall) -> Reply:
    """Answer with the agent's own name; the judge repeats what it was given."""
    if call.system_prompt != "judge":
        return say(f"I am {call.system_prompt}")
    return say(" | ".join(block.get("text", "") for block in call.messages[-1]["content"]))


@workflow.defn
class EightNodes:
    """Runs eight nodes side by side, and a judge after them; then waits, and runs them again."""

    def __init__(self) -> None:
        self.rounds = 0
        self.asked = 0

    @workflow.run
    async def run(self) -> list[dict[str, str]]:
        builder = GraphBuilder()
        judge = builder.add_node(self._agent("judge"), "judge")
        for name in NAMES:
            builder.add_edge(builder.add_node(self._agent(name), name), judge)
            builder.set_entry_point(name)
        builder.set_max_node_executions(50)
        builder.reset_on_revisit()
        graph = builder.build()
        said: list[dict[str, str]] = []
        for number in range(2):
            result: Any = await graph.invoke_async("who are you?")
            said.append({name: str(node.result).strip() for name, node in result.results.items()})
            self.rounds = number + 1
            await workflow.wait_condition(lambda: self.asked >= self.rounds)
        return said

    def _agent(self, name: str) -> TemporalAgent:
        return TemporalAgent("m", name=name, system_prompt=name, callback_handler=None)

    @workflow.update
    async def until(self, rounds: int) -> None:
        await workflow.wait_condition(lambda: self.rounds >= rounds)

    @workflow.signal
    def go_on(self) -> None:
        self.asked += 1


async def main(address: str, queue: str) -> None:
    plugin = StrandsPlugin(models={"m": lambda: ScriptedModel(named)})
    client = await Client.connect(address, plugins=[plugin])
    async with Worker(client, task_queue=queue, workflows=[EightNodes]):
        await asyncio.wait_for(asyncio.Event().wait(), 60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
