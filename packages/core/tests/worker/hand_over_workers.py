"""A long turn, on workers that are killed around its hand-overs, and the same turn in a plain agent.

Workers are processes, and kill themselves at named points. What models and tools did is in files.
"""

import asyncio
import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from packages.core.tests.workflow.cancel_scenes import TOLD_FAST
from packages.core.tests.workflow.hand_over_scenes import bare
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager, SlidingWindowConversationManager
from strands.models import Model
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import say, use_tools
from strands_temporal.workflow import TurnHandOver, activity_as_tool

_here: Path | None = None
"""The folder of this process's worker; None in the test's own process."""


def die_once(point: str) -> None:
    """Kill this worker, if the test wants that at this point and it did not happen yet."""
    if _here is None or not (wish := _here / "die" / point.replace(" ", "-")).exists():
        return
    wish.unlink()
    os.kill(os.getpid(), signal.SIGKILL)


def note(name: str, *values: Any) -> None:
    """Add a line to a file of the test's folder, in one write."""
    if _here is not None:
        with (_here / name).open("ab", buffering=0) as file:
            file.write((json.dumps(values) + "\n").encode())


def noted(folder: Path, name: str) -> list[list[Any]]:
    """Return the lines of a file of the test's folder."""
    file = folder / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@dataclass
class Long:
    """A long turn, or the rest of it.

    Attributes:
        steps: Model calls that ask for tools.
        together: Tool calls in each.
        events: Events of history after which the turn goes on in the next run.
        window: Whether the agent has Strands' default conversation manager.
    """

    steps: int
    together: int
    events: int
    window: bool = True
    carry: AgentCarry | None = None
    turn: dict[str, Any] = field(default_factory=dict[str, Any])
    runs: int = 1


class LongModel(Model):
    """Asks for tools until it has asked often enough. Notes what it was asked."""

    def __init__(self, long: Long) -> None:
        self._long = long

    def update_config(self, **model_config: Any) -> None:
        pass

    def get_config(self) -> Any:
        return {"model_id": "long"}

    async def structured_output(self, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise NotImplementedError
        yield

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        number = sum(message["role"] == "assistant" for message in messages)
        die_once(f"model {number}")
        last = json.dumps([bare(message) for message in messages[-3:]], sort_keys=True)
        note("asked", number, len(messages), hashlib.sha256(last.encode()).hexdigest()[:16])
        long = self._long
        words = [f"w{number * long.together + place}" for place in range(long.together)]
        reply = (
            use_tools([("look_up", {"word": word}, f"t-{word}") for word in words])
            if number < long.steps
            else say(f"done after {len(messages)} messages")
        )
        for event in reply.events:
            yield event


@activity.defn(name="look_up")
async def look_up(word: str, tool_context: ToolContext) -> str:
    """Look a word up."""
    die_once(f"before {word}")
    note("looked-up", word, tool_context.idempotency_key)
    die_once(f"after {word}")
    return f"{word} is a word"


@tool(name="look_up")
async def plain_look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} is a word"


def manager(long: Long) -> Any:
    return SlidingWindowConversationManager() if long.window else NullConversationManager()


@workflow.defn
class LongWorkflow:
    @workflow.run
    async def run(self, long: Long) -> dict[str, Any]:
        die_once(f"begin {long.runs}")
        agent = TemporalAgent(
            "long",
            tools=[activity_as_tool(look_up, **TOLD_FAST)],
            conversation_manager=manager(long),
            callback_handler=None,
            carry=long.carry,
            **TOLD_FAST,
        )
        hand_over = TurnHandOver(
            agent, lambda: workflow.info().get_current_history_length() >= long.events, carried=long.turn
        )
        result = await hand_over.run(agent.invoke_async, "go")
        if result is None:
            long.carry, long.turn = agent.carry(), hand_over.carry()
            die_once(f"leave {long.runs}")
            long.runs += 1
            workflow.continue_as_new(long)
        return {**seen_of(agent, result), "runs": long.runs}


def seen_of(agent: Agent, result: Any) -> dict[str, Any]:
    """Return what can be seen of the agent after its turn. The messages may be larger than a result."""
    metrics = agent.event_loop_metrics
    messages = json.dumps([bare(message) for message in agent.messages])
    return {
        "messages": hashlib.sha256(messages.encode()).hexdigest(),
        "count": len(agent.messages),
        "removed": agent.conversation_manager.removed_message_count,
        "text": str(result).strip(),
        "stop_reason": result.stop_reason,
        "usage": dict(metrics.agent_invocations[-1].usage),
        "all usage": dict(metrics.accumulated_usage),
        "cycles": [metrics.cycle_count, len(metrics.agent_invocations[-1].cycles)],
        "calls": metrics.tool_metrics["look_up"].call_count,
    }


def plain(folder: Path, long: Long) -> None:
    """Run the turn in a plain agent, and write what is seen of it to a file. Run this in its own process.

    Strands calls itself for each step, so the process gets a deep stack.
    """
    global _here
    _here = folder
    folder.mkdir()

    async def run() -> None:
        agent = Agent(
            LongModel(long), tools=[plain_look_up], conversation_manager=manager(long), callback_handler=None
        )
        note("seen", seen_of(agent, await agent.invoke_async("go")))

    sys.setrecursionlimit(100_000)
    threading.stack_size(1 << 30)
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join()


async def work(address: str, queue: str, folder: Path, long: Long) -> None:
    """Run a worker until its process ends."""
    global _here
    _here = folder
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[LongWorkflow],
        activities=[look_up],
        plugins=[StrandsPlugin(models={"long": lambda: LongModel(long)})],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    async with worker:
        note("began", os.getpid())
        await asyncio.Event().wait()


async def start(call: str) -> asyncio.subprocess.Process:
    """Start a process that calls a function of this module."""
    code = f"import asyncio; from pathlib import Path, PosixPath; from {__name__} import *; {call}"
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=Path.cwd())


@asynccontextmanager
async def workers(
    address: str, queue: str, folder: Path, long: Long, dies_at: list[str]
) -> AsyncGenerator[None]:
    """Keep one worker running: another one starts when it ends."""
    (folder / "die").mkdir()
    for point in dies_at:
        (folder / "die" / point.replace(" ", "-")).touch()

    async def keep() -> None:
        while True:
            process = await start(f"asyncio.run(work({address!r}, {queue!r}, {folder!r}, {long!r}))")
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
