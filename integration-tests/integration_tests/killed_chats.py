"""A conversation on workers that are killed, and the same conversation with a plain agent.

Workers are processes, and kill themselves at named points. What models and tools did is in files.
"""

import asyncio
import os
import sys
import threading
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from packages.core.tests.worker.killed_processes import die_once, note, number_of, settle
from packages.core.tests.workflow.cancel_scenes import TOLD_FAST
from packages.core.tests.workflow.hand_over_scenes import bare, responses
from packages.hitl.tests.approvals_support import Gate
from strands import Agent, tool
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from strands_temporal import ConversationEnd, ConversationStart, StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool
from strands_temporal.workflow import Conversation, activity_as_tool
from strands_temporal_hitl import HITLPlugin

PROMPTS = ("go", "and then")


@dataclass(frozen=True)
class Talk:
    """A conversation of two turns.

    Attributes:
        steps: Tool calls of the first turn, one after the other.
        asks: Of each so many calls, the last one asks a person; every other one of them is refused.
        events: Events of history after which the conversation goes on in the next run.
    """

    steps: int
    asks: int
    events: int

    def asked_at(self, number: int) -> bool:
        """Tell whether a person is asked about a call."""
        return number % self.asks == self.asks - 1

    def allowed_at(self, number: int) -> bool:
        """Tell whether that person allows it."""
        return number // self.asks % 2 == 0

    @property
    def questions(self) -> int:
        """How many people are asked."""
        return self.steps // self.asks


def reply(call: ScriptedCall, talk: Talk) -> Reply:
    """Call one tool after the other in the first turn, and one in the second."""
    begun = max(at for at, message in enumerate(call.messages) if {"text": call.prompt} in message["content"])
    number = (len(call.messages) - begun) // 2
    first = call.prompt == PROMPTS[0]
    point = f"{'' if first else 'last '}model {number}"
    die_once(point)
    note("asked", call.prompt, number, len(call.messages), call.text)
    if number >= (talk.steps if first else 1):
        return say(f"{call.prompt}: done after {len(call.messages)} messages, last {call.text}")
    word = f"w{number}" if first else "x0"
    if first and talk.asked_at(number):
        return use_tool("delete_file", {"path": word}, tool_use_id=f"t-{word}")
    return use_tool("look_up", {"word": word}, tool_use_id=f"t-{word}")


@activity.defn(name="look_up")
async def look_up(word: str, tool_context: ToolContext) -> str:
    """Look a word up."""
    die_once(f"before {word}")
    note("done", word, tool_context.idempotency_key)
    die_once(f"after {word}")
    return f"{word} is a word"


@activity.defn(name="delete_file")
async def delete_file(path: str, tool_context: ToolContext) -> str:
    """Delete a file."""
    note("done", path, tool_context.idempotency_key)
    die_once(f"after {path}")
    return f"deleted {path}"


@tool(name="look_up")
async def plain_look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} is a word"


@tool(name="delete_file")
async def plain_delete_file(path: str) -> str:
    """Delete a file."""
    return f"deleted {path}"


def make_agent(**talk: int) -> TemporalAgent:
    """Make the agent of the conversation."""
    tools = [activity_as_tool(look_up, **TOLD_FAST), activity_as_tool(delete_file, **TOLD_FAST)]
    return TemporalAgent("long", tools=tools, hooks=[Gate()], callback_handler=None, **TOLD_FAST)


@workflow.defn
class KilledChat:
    """A conversation that continues as new after so many events, and when the test wants it."""

    @workflow.init
    def __init__(self, start: ConversationStart) -> None:
        self._run = number_of("runs", workflow.info().run_id)
        die_once(f"begin {self._run}")
        self._events = start.arguments["events"]
        self._moves = False
        self.chat = Conversation(start, make_agent, hand_over_when=self._is_long)

    def _is_long(self) -> bool:
        if not self._moves and workflow.info().get_current_history_length() < self._events:
            return False
        die_once(f"leave {self._run}")
        return True

    @workflow.signal
    def move(self) -> None:
        """Continue as new as soon as possible, also while the agent waits for a person."""
        self._moves = True

    @workflow.run
    async def run(self, start: ConversationStart) -> ConversationEnd:
        return await self.chat.run()


def plugins(talk: Talk | None = None) -> list[Any]:
    """Return the plugins of the workers, or of a replay."""
    models = None if talk is None else {"long": lambda: ScriptedModel(lambda call: reply(call, talk))}
    return [StrandsPlugin(models=models), HITLPlugin(register=False)]


async def work(address: str, queue: str, folder: Path, talk: Talk, cached: int) -> None:
    """Run a worker until its process ends."""
    settle(folder)
    client = await Client.connect(address)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[KilledChat],
        activities=[look_up, delete_file],
        plugins=plugins(talk),
        max_cached_workflows=cached,
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    async with worker:
        note("began", os.getpid())
        await asyncio.Event().wait()


def start_of(talk: Talk) -> ConversationStart:
    """Return the argument of the workflow."""
    return ConversationStart(arguments=asdict(talk))


def seen_of(messages: Any, texts: list[str], usage: Any) -> dict[str, Any]:
    """Return what is compared of a conversation."""
    tokens = {name: usage[name] for name in usage if "okens" in name}
    return {"messages": [bare(message) for message in messages], "texts": texts, "usage": tokens}


def plain(folder: Path, talk: Talk) -> None:
    """Lead the conversation with a plain agent, and note what is seen. Run this in its own process.

    Strands calls itself for each step, so the process gets a deep stack.
    """
    folder.mkdir()
    settle(folder)

    async def run() -> None:
        model = ScriptedModel(lambda call: reply(call, talk))
        agent = Agent(model, tools=[plain_look_up, plain_delete_file], hooks=[Gate()], callback_handler=None)
        texts: list[str] = []
        for prompt in PROMPTS:
            result = await agent.invoke_async(prompt)
            while result.interrupts:
                (asked,) = result.interrupts
                allowed: Any = talk.allowed_at(number_in(asked.reason))
                answer: Any = responses([asked.id], allowed)
                result = await agent.invoke_async(answer)
            texts.append(str(result).strip())
        note("seen", seen_of(agent.messages, texts, agent.event_loop_metrics.accumulated_usage))

    sys.setrecursionlimit(100_000)
    threading.stack_size(1 << 30)
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    thread.join()


def number_in(reason: Any) -> int:
    """Return the number of the call that a question is about: `delete w7?`."""
    return int(str(reason).rstrip("?").rpartition("w")[2])
