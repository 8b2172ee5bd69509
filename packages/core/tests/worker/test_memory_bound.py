"""A worker whose process uses too much memory drops its cache and goes on: no workflow is lost."""

import asyncio
import json
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.worker.memory_bound_process import ChatWorkflow, echo
from temporalio.client import Client
from temporalio.worker import Worker

from strands_temporal import AgentTypeError, AgentValueError, MemoryBoundWorker, StrandsPlugin
from strands_temporal.testing import DevServer, ScriptedModel, assert_replays

WAIT = 60
USUAL: dict[str, Any] = {"make": print, "limit": 1}


@pytest.mark.server
async def test_above_its_limit_a_worker_drops_its_cache_and_the_workflows_go_on(client: Client) -> None:
    plugin = StrandsPlugin(models={"m": lambda: ScriptedModel(*[echo] * 100)})
    own, queue = Client(client.service_client, plugins=[plugin]), f"memory-{uuid.uuid4()}"
    used, sizes, made_again = [0], list[int](), asyncio.Event()

    def make(cached: int) -> Worker:
        sizes.append(cached)
        if len(sizes) > 1:
            used[0] = 0  # the memory of the cache was freed
            made_again.set()
        return Worker(own, task_queue=queue, workflows=[ChatWorkflow], max_cached_workflows=cached)

    bound = MemoryBoundWorker(
        make,
        limit=1000,
        max_cached_workflows=100,
        min_cached_workflows=2,
        every=timedelta(milliseconds=20),
        measure=lambda: used[0],
    )
    running = asyncio.create_task(bound.run())
    chats = [
        await own.start_workflow(ChatWorkflow.run, id=f"{queue}-{number}", task_queue=queue)
        for number in range(8)
    ]
    for chat in chats:
        assert await chat.execute_update(ChatWorkflow.turn, "one") == "1: one"
    used[0] = 1001
    await asyncio.wait_for(made_again.wait(), WAIT)
    for chat in chats:
        assert await chat.execute_update(ChatWorkflow.turn, "two") == "3: two"
    assert bound.replaced == 1
    assert sizes[0] == 100
    assert 2 <= sizes[1] <= 75, "three quarters of what was cached, not of what could have been"
    for chat in chats:
        await chat.signal(ChatWorkflow.end)
        await chat.result()
    await bound.shutdown()
    await asyncio.wait_for(running, WAIT)
    await assert_replays(chats[0], [ChatWorkflow], plugins=[plugin])


@pytest.mark.server
async def test_what_a_worker_raises_is_raised_and_a_cancel_ends_it(agents: Agents, client: Client) -> None:
    def broken(cached: int) -> Worker:
        raise ValueError(f"no worker of {cached}")

    with pytest.raises(ValueError, match="no worker of 1000"):
        await MemoryBoundWorker(broken, limit=1).run()
    plugin = StrandsPlugin(models={"m": lambda: ScriptedModel(echo)})
    own, queue = Client(client.service_client, plugins=[plugin]), f"memory-{uuid.uuid4()}"
    bound = MemoryBoundWorker(
        lambda cached: Worker(own, task_queue=queue, workflows=[ChatWorkflow], max_cached_workflows=cached),
        limit=2**40,
    )
    running = asyncio.create_task(bound.run())
    chat: Any = await own.start_workflow(ChatWorkflow.run, id=queue, task_queue=queue)
    assert await chat.execute_update(ChatWorkflow.turn, "one") == "1: one"
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bound.worker is not None
    assert not bound.worker.is_running
    await chat.terminate()


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"make": 5}, AgentTypeError, "5 is not a function"),
        ({"limit": 0}, AgentValueError, "limit=0"),
        ({"min_cached_workflows": 0}, AgentValueError, "min_cached_workflows=0"),
        ({"max_cached_workflows": 10}, AgentValueError, "min_cached_workflows=50 is not from 1 to"),
    ],
)
async def test_settings_that_cannot_work_are_refused(given: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        MemoryBoundWorker(**{**USUAL, **given})


@pytest.mark.server
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bound", [True, False])
async def test_a_process_at_its_limit_lives_and_without_the_limit_dies(
    server: DevServer, bound: bool
) -> None:
    """The system gives both processes the same memory, too little for all 1,200 agents in one cache."""
    program = Path(__file__).with_name("memory_bound_process.py")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), server.address, "1200", str(95 * 2**20)),
        "bound" if bound else "free",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 850)
    if not bound:
        assert process.returncode != 0, out
        return
    assert process.returncode == 0, err.decode()[-2000:]
    told = json.loads(out.decode().splitlines()[-1])
    assert told["answered"] == 2 * 1200
    assert told["replaced"] >= 1
