"""Workers are killed around the hand-overs of a turn: nothing is lost, and nothing is done under two keys."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from packages.core.tests.worker import hand_over_workers
from packages.core.tests.worker.hand_over_workers import Long, LongWorkflow
from packages.core.tests.worker.killed_processes import (
    kept_running,
    kill_last,
    left_to_die_at,
    noted,
    run,
)
from temporalio.client import Client

from strands_temporal.testing import DevServer, assert_replays

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODULE = hand_over_workers.__name__


async def in_plain_strands(
    folder: Path, long: Long, part: int | None = None, *, as_it_is: bool = False
) -> tuple[dict[str, Any], list[Any]]:
    """Return what is seen of the turn in a plain agent, in its own process, and what its model was asked."""
    await run(MODULE, f"plain({folder!r}, {long!r}, {part}, as_it_is={as_it_is})", 3000)
    ((seen,),) = noted(folder, "seen")
    return seen, noted(folder, "asked")


async def runs_of(client: Client, workflow_id: str, first: str) -> list[str]:
    """Return the runs of a chain, in order."""
    ids = [first]
    while True:
        handle = client.get_workflow_handle(workflow_id, run_id=ids[-1])
        last = (await handle.fetch_history()).events[-1]
        next_ = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        if not next_:
            return ids
        ids.append(next_)


async def assert_done_once(folder: Path, long: Long, asked: list[Any]) -> None:
    """Assert that each tool call had one key, over all its attempts, and what the model was asked."""
    calls = noted(folder, "looked-up")
    keys = {word: {key for each, key in calls if each == word} for word, _ in calls}
    assert set(keys) == {f"w{number}" for number in range(long.steps * long.together)}
    assert {word: found for word, found in keys.items() if len(found) != 1} == {}
    assert len({key for found in keys.values() for key in found}) == len(keys)
    assert sorted({tuple(each) for each in noted(folder, "asked")}) == [tuple(each) for each in asked]


@pytest.mark.timeout(300)
async def test_workers_are_killed_around_each_hand_over(
    server: DevServer, client: Client, tmp_path: Path
) -> None:
    long = Long(steps=14, together=1, events=30)
    points = ["leave 1", "begin 2", "before w4", "after w7", "model 9", "leave 3", "begin 4"]
    plain, asked = await in_plain_strands(tmp_path / "plain", long)
    queue = f"killed-{uuid.uuid4()}"
    work = f"work({server.address!r}, {queue!r}, {tmp_path!r}, {long!r})"
    async with kept_running(tmp_path, MODULE, work, points):
        handle = await client.start_workflow(LongWorkflow.run, long, id=queue, task_queue=queue)
        seen = await asyncio.wait_for(client.get_workflow_handle(queue).result(), 270)
    assert left_to_die_at(tmp_path) == [], "each point was reached, and its worker killed"
    assert len(noted(tmp_path, "began")) == len(points) + 1
    assert seen.pop("runs") >= 5
    assert seen == plain
    await assert_done_once(tmp_path, long, asked)
    for run_id in await runs_of(client, queue, handle.first_execution_run_id or ""):
        await assert_replays(client.get_workflow_handle(queue, run_id=run_id), [LongWorkflow])


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("long", "runs"),
    [
        (Long(steps=600, together=5, events=500), 15),
        (Long(steps=600, together=5, events=500, window="none"), 15),
        (Long(steps=3000, together=1, events=500, window="per turn"), 60),
        (Long(steps=3000, together=1, events=500, window="none"), 60),
    ],
    ids=["by five", "by five, no window", "one by one, window", "one by one, no window"],
)
async def test_a_turn_of_very_many_tool_calls(
    server: DevServer, client: Client, tmp_path: Path, long: Long, runs: int
) -> None:
    part = 100 if long.steps > 1000 else None  # see the test below
    plain, asked = await in_plain_strands(tmp_path / "plain", long, part)
    queue = f"long-{uuid.uuid4()}"
    work = f"work({server.address!r}, {queue!r}, {tmp_path!r}, {long!r})"
    async with kept_running(tmp_path, MODULE, work):
        handle = await client.start_workflow(LongWorkflow.run, long, id=queue, task_queue=queue)
        result = asyncio.ensure_future(client.get_workflow_handle(queue).result())
        for part in range(1, 6):  # five workers are killed meanwhile
            calls = long.steps * long.together * part // 6
            while len(noted(tmp_path, "looked-up")) < calls and not result.done():  # noqa: ASYNC110  # a process
                await asyncio.sleep(0.5)
            kill_last(tmp_path)
        seen = await asyncio.wait_for(result, 3000)
    assert seen.pop("runs") >= runs
    assert seen == plain
    await assert_done_once(tmp_path, long, asked)
    ids = await runs_of(client, queue, handle.first_execution_run_id or "")
    for run_id in (ids[0], ids[len(ids) // 2], ids[-1]):
        await assert_replays(client.get_workflow_handle(queue, run_id=run_id), [LongWorkflow])


@pytest.mark.parametrize("window", ["per turn", "none"])
async def test_a_plain_agents_turn_in_cheap_parts_is_that_of_one_call(tmp_path: Path, window: str) -> None:
    """What the longest turns are compared with."""
    long = Long(steps=120, together=1, events=0, window=window)
    whole = await in_plain_strands(tmp_path / "whole", long, as_it_is=True)
    assert await in_plain_strands(tmp_path / "parts", long, 50) == whole
