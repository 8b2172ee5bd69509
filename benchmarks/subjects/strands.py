"""Plain Strands: the same agent, model and tool in one process, without Temporal.

Its figures and the floor's, added, are the limit: a durable agent cannot be cheaper than both.
No server takes part, so it has measures of its own, with the names of those in `measures.py`.
"""

import asyncio
import gc
import time
from typing import Any

from strands import Agent, tool
from strands.agent.conversation_manager import (
    ConversationManager,
    NullConversationManager,
    SlidingWindowConversationManager,
)
from strands.types.exceptions import EventLoopException

from benchmarks.backend import BenchModel, look_up
from benchmarks.load import before, prompt
from benchmarks.measures import WARM_UP, Bench
from benchmarks.scale import process_ms

LOOK_UP = tool(look_up)
"""The activity of the other subjects as a tool, called directly."""


def plugins(model: Any) -> list[Any]:
    """Return nothing: there is no worker."""
    return []


def _agent(bench: Bench, manager: ConversationManager | None = None) -> Agent:
    load = bench.load
    if manager is None and not load.window:
        manager = NullConversationManager()
    messages: Any = before(load)
    tools: list[Any] = [LOOK_UP] if load.calls else []
    return Agent(
        BenchModel(bench.backend),
        messages=messages,
        tools=tools,
        callback_handler=None,
        conversation_manager=manager,
    )


async def conversation(bench: Bench, keep: str | None = None) -> dict[str, Any]:
    """Run one conversation. Return the CPU of its construction and of each turn, as "activations".

    Args:
        bench: What is measured.
        keep: Not used: there is no history.
    """
    at = time.thread_time()
    taken: list[float] = []

    def lap() -> None:
        nonlocal at
        at, started = time.thread_time(), at
        taken.append(1000 * (at - started))

    agent, answer = _agent(bench), ""
    lap()
    for turn in range(1, bench.load.turns + 1):
        answer = str(await agent.invoke_async(prompt(turn)))
        lap()
    bench.check(answer[:50])
    return {"activations": taken, "cpu_ms": sum(taken)}


async def concurrent(bench: Bench, count: int) -> dict[str, Any]:
    """Run many agents at once. Return the CPU milliseconds per agent; all of them are the agent's own.

    Args:
        bench: What is measured.
        count: How many.
    """
    await asyncio.gather(*(_one(bench) for _ in range(min(WARM_UP, count))))
    gc.collect()
    started, cpu_started = time.perf_counter(), time.process_time()
    await asyncio.gather(*(_one(bench) for _ in range(count)))
    cpu, wall = time.process_time() - cpu_started, time.perf_counter() - started
    return {"cpu_ms": 1000 * cpu / count, "inner_ms": 1000 * cpu / count, "wall_ms": 1000 * wall / count}


async def in_turn(bench: Bench, count: int) -> dict[str, Any]:
    """Run agents one after the other. Return the CPU milliseconds per agent.

    Args:
        bench: What is measured.
        count: How many.
    """
    for _ in range(min(WARM_UP, count)):
        await _one(bench)
    gc.collect()
    started = time.process_time()
    for _ in range(count):
        await _one(bench)
    cpu = 1000 * (time.process_time() - started) / count
    return {"cpu_ms": cpu, "inner_ms": cpu}


async def long_turn(bench: Bench, part: int) -> dict[str, Any]:
    """Take one turn of many tool calls, as far as Strands gets.

    Args:
        bench: What is measured.
        part: How many calls each part has.
    """
    try:
        await _one(bench, SlidingWindowConversationManager(per_turn=True) if bench.load.window else None)
    except EventLoopException as error:
        turn, call = bench.backend.at
        return {"error": f"{type(error.original_exception).__name__}: {error}", "turn": turn, "call": call}
    parts = process_ms(bench.backend.replies, part)
    return {"ms": parts, "process_ms": parts}


async def _one(bench: Bench, manager: ConversationManager | None = None) -> None:
    agent, answer = _agent(bench, manager), ""
    for turn in range(1, bench.load.turns + 1):
        answer = str(await agent.invoke_async(prompt(turn)))
    bench.check(answer[:50])
