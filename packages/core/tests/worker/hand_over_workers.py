"""A long turn, on workers that are killed around its hand-overs, and the same turn in a plain agent.

Workers are processes, and kill themselves at named points. What models and tools did is in files.
"""

import asyncio
import copy
import hashlib
import json
import os
import pickle
import sys
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from packages.core.tests.worker.killed_processes import die_once, note, settle
from packages.core.tests.workflow.cancel_scenes import TOLD_FAST
from packages.core.tests.workflow.hand_over_scenes import bare
from strands import Agent, tool
from strands.agent.conversation_manager import NullConversationManager, SlidingWindowConversationManager
from strands.models import Model
from strands.telemetry import tracer
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import say, use_tools
from strands_temporal.workflow import TurnHandOver, activity_as_tool


@dataclass
class Long:
    """A long turn, or the rest of it.

    Attributes:
        steps: Model calls that ask for tools.
        together: Tool calls in each.
        events: Events of history after which the turn goes on in the next run.
        window: "default": Strands' default conversation manager, which shortens the conversation at the end
            of a turn. "per turn": it does so before each model call. "none".
    """

    steps: int
    together: int
    events: int
    window: str = "default"
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
        number = self._step_after(messages[-1])
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

    def _step_after(self, message: Any) -> int:
        """Return the number of the next step. The window may have moved: only the last message is sure."""
        uses = [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]
        last = max((int(use.removeprefix("t-w")) for use in uses), default=-1)
        return (last + 1) // self._long.together


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
    if long.window == "none":
        return NullConversationManager()
    return SlidingWindowConversationManager(per_turn=long.window == "per turn")


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
    parts = metrics.agent_invocations
    messages = json.dumps([bare(message) for message in agent.messages])
    return {
        "messages": hashlib.sha256(messages.encode()).hexdigest(),
        "count": len(agent.messages),
        "removed": agent.conversation_manager.removed_message_count,
        "text": str(result).strip(),
        "stop_reason": result.stop_reason,
        "usage": {name: sum(part.usage.get(name, 0) for part in parts) for name in parts[-1].usage},
        "all usage": dict(metrics.accumulated_usage),
        "cycles": [metrics.cycle_count, sum(len(part.cycles) for part in parts)],
        "calls": metrics.tool_metrics["look_up"].call_count,
    }


def copy_and_trace_cheaply() -> None:
    """Lower the cost of what Strands does with the whole conversation at each step, in this process.

    It copies the conversation three times for each model call, and writes it as JSON for a span that nobody
    reads (1.62: event_loop.py, telemetry/tracer.py). A turn of 3,000 steps would take half an hour for that.
    Here the copy of a very long conversation shares its older messages, which nothing changes any more.
    """
    deep = copy.deepcopy
    whole: Any = deep

    def deepcopy(value: Any, memo: Any = None) -> Any:
        many = cast("list[Any]", value) if isinstance(value, list) else []
        if len(many) > 100:
            return [*many[:-_LATEST], *deep(many[-_LATEST:], memo)]
        return pickle.loads(pickle.dumps(many)) if len(many) > _LATEST else whole(value, memo)  # noqa: S301

    copy.deepcopy = deepcopy
    tracer.serialize = lambda obj: ""


_LATEST = 10


def plain(folder: Path, long: Long, part: int | None = None, *, as_it_is: bool = False) -> None:
    """Run the turn in a plain agent, and write what is seen of it to a file. Run this in its own process.

    Strands calls itself for each step, so the process gets a deep stack, and each event passes all steps
    before it: thousands of steps would take hours. `part` ends an invocation after so many steps by Strands'
    own `limits`, and `invoke_async(None)` goes on. Not for a conversation manager that acts at the end of an
    invocation.

    Args:
        folder: The test's folder. It is made.
        long: The turn.
        part: Steps of one invocation; None for all.
        as_it_is: Whether Strands copies and traces as it does everywhere.
    """
    folder.mkdir()
    settle(folder)

    async def run() -> None:
        agent = Agent(
            LongModel(long), tools=[plain_look_up], conversation_manager=manager(long), callback_handler=None
        )
        limits: Any = None if part is None else {"turns": part}
        result = await agent.invoke_async("go", limits=limits)
        while result.stop_reason == "limit_turns":
            result = await agent.invoke_async(None, limits=limits)
        note("seen", seen_of(agent, result))

    if not as_it_is:
        copy_and_trace_cheaply()
    sys.setrecursionlimit(100_000)
    threading.stack_size(1 << 30)
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join()


async def work(address: str, queue: str, folder: Path, long: Long) -> None:
    """Run a worker until its process ends."""
    settle(folder)
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
