"""A process with many agents and little memory: `memory_bound_process.py ADDRESS AGENTS ROOM bound|free`.

ROOM is in bytes above an idle process. Above it the cache is dropped; twice as much is all that there is. It
prints how many turns were answered, how many workers were replaced, and what memory it used. The system kills
nothing here: RLIMIT_DATA lets the process fail where a container would be killed.
"""

import asyncio
import json
import resource
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import MemoryBoundWorker, StrandsPlugin, TemporalAgent
from strands_temporal._worker.memory_bound import resident_bytes
from strands_temporal.testing import ScriptedCall, ScriptedModel, say


def echo(call: ScriptedCall) -> Any:
    """Answer with the number of messages and the last one."""
    return say(f"{len(call.messages)}: {call.text}")


@workflow.defn
class ChatWorkflow:
    """A chat that stays open."""

    def __init__(self) -> None:
        self._ends = False
        self._agent = TemporalAgent("m", callback_handler=None)

    @workflow.run
    async def run(self) -> None:
        """Wait for the end."""
        await workflow.wait_condition(lambda: self._ends)

    @workflow.update
    async def turn(self, prompt: str) -> str:
        """Answer a message."""
        return str(await self._agent.invoke_async(prompt)).strip()

    @workflow.signal
    def end(self) -> None:
        """End the chat."""
        self._ends = True


async def _turns(client: Client, queue: str, agents: int, prompt: str, expected: str) -> int:
    """Have each chat answer once, twenty at a time. Return how many did."""
    room = asyncio.Semaphore(20)

    async def one(number: int) -> None:
        id_ = f"{queue}-{number}"
        async with room:
            if prompt == "one":
                await client.start_workflow(ChatWorkflow.run, id=id_, task_queue=queue)
            handle = client.get_workflow_handle_for(ChatWorkflow.run, id_)
            assert await handle.execute_update(ChatWorkflow.turn, prompt) == expected

    await asyncio.gather(*(one(number) for number in range(agents)))
    return agents


async def main(address: str, agents: int, room: int, kind: str) -> None:
    """Run the agents, each with two turns."""
    model = ScriptedModel(*[echo] * (4 * agents))
    client = await Client.connect(address, plugins=[StrandsPlugin(models={"m": lambda: model})])
    queue = f"memory-{uuid.uuid4()}"

    def make(cached: int) -> Worker:
        return Worker(client, task_queue=queue, workflows=[ChatWorkflow], max_cached_workflows=cached)

    warm = f"warm-{uuid.uuid4()}"
    async with Worker(client, task_queue=warm, workflows=[ChatWorkflow]):
        await _turns(client, warm, 20, "one", "1: one")  # what the first agents load counts as idle
    idle = resident_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + 2 * room, resource.RLIM_INFINITY))
    limit = idle + room if kind == "bound" else 2**40
    bound = MemoryBoundWorker(make, limit=limit, max_cached_workflows=2 * agents, min_cached_workflows=20)
    running = asyncio.create_task(bound.run())
    answered = await _turns(client, queue, agents, "one", "1: one")
    answered += await _turns(client, queue, agents, "two", "3: two")
    told = {
        "answered": answered,
        "replaced": bound.replaced,
        "max_cached_workflows": bound.max_cached_workflows,
        "idle_mb": idle >> 20,
        "now_mb": resident_bytes() >> 20,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }
    sys.stdout.write(json.dumps(told) + "\n")
    await bound.shutdown()
    await running


def _data_bytes() -> int:
    """Return what RLIMIT_DATA counts."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmData")).split()[1]) * 1024


if __name__ == "__main__":
    threading.stack_size(512 * 1024)  # RLIMIT_DATA counts the whole stack of each thread
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
