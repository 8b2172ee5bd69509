"""`make bench`: an agent's history and replay against a floor, side by side in one run, in ratios.

The floor is a plain workflow with one activity per turn that sends the new message in and takes the answer
out: no agent can go below it. Replay times are medians of a few runs.
"""

import asyncio
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Replayer, Worker

from benchmarks.workflows import ANSWER, AgentTurns, FloorTurns, answer
from strands_temporal import StrandsPlugin
from strands_temporal.testing import DevServer, Reply, ScriptedModel, say

RESULTS = Path(__file__).parent / "results.json"
TURNS = (10, 50, 100)
CHUNKS = 500
LONG_ANSWER = "x" * 20 * CHUNKS
RUNS = 3


@dataclass(frozen=True)
class Row:
    """One measure: the agent's figure, the floor's, and their ratio."""

    measure: str
    unit: str
    agent: float
    floor: float

    @property
    def ratio(self) -> float:
        """How many times the floor."""
        return self.agent / self.floor


async def main() -> None:
    """Measure, print a table, and keep the figures in results.json."""
    console = Console()
    rows: list[Row] = []
    async with DevServer() as server:
        for turns in TURNS:
            console.print(f"{turns} plain turns ...", style="dim")
            rows += await plain_turns(server.address, turns)
        console.print(f"an answer in {CHUNKS} chunks ...", style="dim")
        rows.append(await chunked_answer(server.address))
    table = Table("measure", "unit", "agent", "floor", "ratio", title="strands-temporal against a floor")
    for row in rows:
        table.add_row(row.measure, row.unit, f"{row.agent:,.1f}", f"{row.floor:,.1f}", f"{row.ratio:.2f}")
    console.print(table)
    RESULTS.write_text(
        json.dumps([{**asdict(row), "ratio": round(row.ratio, 3)} for row in rows], indent=2) + "\n"
    )


async def plain_turns(address: str, turns: int) -> list[Row]:
    """Measure history bytes and replay time of a conversation of `turns` turns."""
    agent = await run(address, AgentTurns, turns, say(ANSWER))
    floor = await run(address, FloorTurns, turns, say(ANSWER))
    return [
        Row(
            f"history, {turns} turns",
            "KB",
            await history_bytes(agent) / 1000,
            await history_bytes(floor) / 1000,
        ),
        Row(
            f"replay, {turns} turns",
            "ms",
            await replay_ms(agent, AgentTurns),
            await replay_ms(floor, FloorTurns),
        ),
    ]


async def chunked_answer(address: str) -> Row:
    """Measure the event that holds a model's answer, in many chunks against in one."""
    chunked = await run(address, AgentTurns, 1, say(LONG_ANSWER, chunk=len(LONG_ANSWER) // CHUNKS))
    whole = await run(address, AgentTurns, 1, say(LONG_ANSWER))
    name = f"result event, {CHUNKS} chunks against one"
    return Row(name, "KB", await result_bytes(chunked) / 1000, await result_bytes(whole) / 1000)


async def run(address: str, workflow: Any, turns: int, reply: Reply) -> "WorkflowHandle[Any, Any]":
    """Run one workflow to its end and return its handle."""
    client = await Client.connect(
        address, plugins=[StrandsPlugin(models={"scripted": lambda: ScriptedModel(lambda call: reply)})]
    )
    queue = f"bench-{workflow.__name__}-{turns}-{time.monotonic_ns()}"
    async with Worker(client, task_queue=queue, workflows=[workflow], activities=[answer]):
        handle = await client.start_workflow(workflow.run, args=[turns], id=queue, task_queue=queue)
        await handle.result()
        return handle


async def history_bytes(handle: "WorkflowHandle[Any, Any]") -> int:
    """Return the size of a workflow's history, in bytes."""
    return sum(event.ByteSize() for event in (await handle.fetch_history()).events)


async def result_bytes(handle: "WorkflowHandle[Any, Any]") -> int:
    """Return the size of the largest event with an activity's result, in bytes."""
    return max(
        event.ByteSize()
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_completed_event_attributes")
    )


async def replay_ms(handle: "WorkflowHandle[Any, Any]", workflow: Any) -> float:
    """Return how long a replay takes, in milliseconds: the median of a few."""
    history = await handle.fetch_history()
    taken: list[float] = []
    for _ in range(RUNS):
        replayer = Replayer(workflows=[workflow], plugins=[StrandsPlugin()])
        started = time.perf_counter()
        await replayer.replay_workflow(history)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


if __name__ == "__main__":
    asyncio.run(main())
