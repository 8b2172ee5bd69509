"""The measures of long turns and of many agents, which a child process runs. See also `measures.py`."""

import asyncio
import gc
import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

import psutil
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

from benchmarks.load import Load, answer
from benchmarks.measures import WARM_UP, Bench, end

AT_ONCE = 20
"""Chats that are started at the same time."""

SENDERS = 4
"""Turns that are sent at the same time."""


async def tool_bytes(bench: Bench) -> dict[str, Any]:
    """Run one conversation with tool calls. Return the median bytes of a call, without arguments and result.

    Bytes are those of the activity's three events.

    Args:
        bench: What is measured.
    """
    async with bench.worker() as client:
        handle = await bench.start(client)
        if (error := await end(bench, handle)) is not None:
            return {"error": error}
        history = await handle.fetch_history()
    calls: dict[int, int] = {}
    for event in history.events:
        if (call := _activity(event)) is not None:
            calls[call] = calls.get(call, 0) + event.ByteSize()
    tools = [
        calls[event.event_id]
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "look_up"
    ]
    known = len(json.dumps("1-1")) + len(json.dumps(bench.load.result))
    known += len(json.dumps("[1-1] ")) + bench.load.result
    return {"bytes": float(statistics.median(tools) - known)}


def _activity(event: HistoryEvent) -> int | None:
    """Return the number of the event that scheduled the activity to which an event belongs."""
    if event.HasField("activity_task_scheduled_event_attributes"):
        return event.event_id
    if event.HasField("activity_task_started_event_attributes"):
        return event.activity_task_started_event_attributes.scheduled_event_id
    if event.HasField("activity_task_completed_event_attributes"):
        return event.activity_task_completed_event_attributes.scheduled_event_id
    return None


async def long_turn(bench: Bench, part: int) -> dict[str, Any]:
    """Take one turn of many tool calls, from run to run.

    Returns CPU milliseconds per call, each a list over the parts of the turn: "ms" in the workflow,
    "process_ms" of the process. "runs" counts the workflow's runs.

    Args:
        bench: What is measured.
        part: How many calls each part has.
    """
    load = bench.load
    async with bench.worker() as client:
        handle = await bench.start(client)
        if (error := await end(bench, handle)) is not None:
            return {"error": error, "turn": 1, "call": bench.backend.at[1]}
        runs = 0
        async for _ in client.list_workflows(f"WorkflowId = '{handle.id}'"):
            runs += 1
    inner = [0.0] * (load.calls + 1)
    for taken, (_, call) in zip(bench.executor.taken, bench.executor.at, strict=True):
        inner[call] += taken
    # What comes before the first call is not counted: the agent is built, and modules are loaded.
    parts = range(1, load.calls - part + 2, part)
    ms = [sum(inner[first : first + part]) / part for first in parts]
    return {"ms": ms, "process_ms": process_ms(bench.backend.replies, part), "runs": runs}


def process_ms(replies: Sequence[float], part: int) -> list[float]:
    """Return the process's CPU milliseconds per call, over the parts of a turn.

    Args:
        replies: The process's CPU seconds at each answer of the model.
        part: How many calls each part has.
    """
    firsts = range(0, len(replies) - part, part)
    return [1000 * (replies[first + part] - replies[first]) / part for first in firsts]


async def crowd(bench: Bench, few: int, some: int, count: int, turns: int) -> dict[str, Any]:
    """Keep more and more idle chats in one worker's cache.

    Returns "some_kb" and "kb", kilobytes of memory per chat with `some` and with `count` chats, and "few_ms"
    and "ms", the 95th percentile of a turn's milliseconds with `few` and with `count` chats.

    Args:
        bench: What is measured.
        few: Chats at the first measure of turns.
        some: Chats at the first measure of memory.
        count: Chats in the end.
        turns: Turns to measure, spread over the chats.
    """
    process, chats = psutil.Process(), list["WorkflowHandle[Any, str]"]()
    async with bench.worker(cached=count + WARM_UP + 100) as client:
        await _fill(bench, client, chats, WARM_UP)
        await _percentile(bench, chats, min(turns, WARM_UP))
        del chats[:]  # they stay open
        gc.collect()
        empty = process.memory_info().rss
        await _fill(bench, client, chats, few)
        few_ms = await _percentile(bench, chats, turns)
        await _fill(bench, client, chats, some)
        gc.collect()
        some_kb = (process.memory_info().rss - empty) / 1000 / some
        await _fill(bench, client, chats, count)
        gc.collect()
        kb = (process.memory_info().rss - empty) / 1000 / count
        return {"some_kb": some_kb, "kb": kb, "few_ms": few_ms, "ms": await _percentile(bench, chats, turns)}


async def _fill(bench: Bench, client: Client, chats: "list[WorkflowHandle[Any, str]]", count: int) -> None:
    """Start chats, each with one turn, until there are `count`."""
    while len(chats) < count:
        more = min(AT_ONCE, count - len(chats))
        started = await asyncio.gather(*(bench.start(client) for _ in range(more)))
        await asyncio.gather(*(_turn(chat, 1, bench.load) for chat in started))
        chats.extend(started)


async def _percentile(bench: Bench, chats: "Sequence[WorkflowHandle[Any, str]]", turns: int) -> float:
    """Send turns to chats that are spread evenly. Return the 95th percentile of their milliseconds."""
    taken: list[float] = []
    waiting, step = iter(range(turns)), max(1, len(chats) // turns)

    async def sender() -> None:
        for number in waiting:
            started = time.perf_counter()
            await _turn(chats[number * step % len(chats)], 2 + number, bench.load)
            taken.append(1000 * (time.perf_counter() - started))

    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    return statistics.quantiles(taken, n=20)[-1]


async def _turn(chat: "WorkflowHandle[Any, str]", number: int, load: Load) -> None:
    said = await chat.execute_update("turn", number, result_type=str)
    if said.strip() != answer(load, number)[:50]:
        raise AssertionError(f"the chat answered {said!r}")
