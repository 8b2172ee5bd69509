"""A chat for workers of an old and of a new release side by side. It uses only what both releases have.

`python -m live_chat ADDRESS TASK_QUEUE IDENTITY` is a worker that keeps no workflow in memory: each workflow
task replays, whichever release ran the one before. `python -m live_chat FILE.json...` replays histories.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from strands import tool
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.hooks import BeforeModelCallEvent
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Worker

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent
from strands_temporal.activity import ToolContext
from strands_temporal.testing import ScriptedCall, ScriptedModel, assert_replays, say, use_tool
from strands_temporal.workflow import TemporalTools, activity_as_tool


class City(BaseModel):
    """A city."""

    name: str


@activity.defn
async def fetch_weather(city: str) -> str:
    """Look up the weather."""
    return f"sunny in {city}"


@activity.defn
async def pay(amount: int, tool_context: ToolContext) -> str:
    """Pay, if a person agrees."""
    if tool_context.interrupt("pay", reason=f"pay {amount}?") != "yes":
        return "not paid"
    tool_context.agent_state.set("paid", amount)
    return f"paid {amount}"


@tool
def count_letters(word: str) -> int:
    """Count letters."""
    return len(word)


@tool
def convert(celsius: int) -> int:
    """Convert to Fahrenheit. Hosted on the worker."""
    return celsius * 9 // 5 + 32


ARGUMENTS = {
    "fetch_weather": "city",
    "count_letters": "word",
    "convert": "celsius",
    "pay": "amount",
    "City": "name",
}


def answer(call: ScriptedCall) -> Any:
    """Call the tool that the prompt names; then say what it returned, and how long the conversation is."""
    if "toolResult" in call.messages[-1]["content"][-1]:
        return say(f"got {call.text}, {len(call.messages)} messages")
    name, _, value = call.text.partition(" ")
    if name in ARGUMENTS:
        return use_tool(name, {ARGUMENTS[name]: int(value) if value.isdigit() else value})
    return say(f"heard {len(call.text)} letters in {len(call.messages)} messages: {call.text[:20]}")


WATCHED = "watched-"
"""Chats whose ids begin so have a hook before model calls."""


def _look(event: BeforeModelCallEvent) -> None:
    """Look at the call. For such a hook today's release asks for the model's facts first, and marks that."""


@workflow.defn
class LiveChat:
    @workflow.init
    def __init__(self, carry: AgentCarry | None = None) -> None:
        self._agent = TemporalAgent(
            "scripted",
            name="chat",
            system_prompt="Be brief.",
            tools=[
                count_letters,
                activity_as_tool(fetch_weather),
                activity_as_tool(pay),
                TemporalTools("convert"),
            ],
            conversation_manager=SlidingWindowConversationManager(window_size=30),
            callback_handler=None,
            carry=carry,
        )
        if workflow.info().workflow_id.startswith(WATCHED):
            self._agent.add_hook(_look, BeforeModelCallEvent)
        self._lock = asyncio.Lock()
        self._wanted = ""
        self._questions: list[str] = []

    @workflow.run
    async def run(self, carry: AgentCarry | None = None) -> list[Any]:
        await workflow.wait_condition(lambda: bool(self._wanted) and workflow.all_handlers_finished())
        if self._wanted == "continue":
            workflow.continue_as_new(self._agent.carry())
        return self.transcript()

    @workflow.update
    async def ask(self, prompt: str) -> str:
        async with self._lock:
            if prompt.startswith("City"):
                result = await self._agent.invoke_async(prompt, structured_output_model=City)
                return str(result.structured_output)
            result = await self._agent.invoke_async(prompt)
            self._questions = [interrupt.id for interrupt in result.interrupts or ()]
            return "asks" if result.stop_reason == "interrupt" else str(result).strip()

    @workflow.update
    async def answer(self, response: str) -> str:
        """Answer the open question."""
        async with self._lock:
            answers: Any = [
                {"interruptResponse": {"interruptId": question, "response": response}}
                for question in self._questions
            ]
            return str(await self._agent.invoke_async(answers)).strip()

    @workflow.update
    async def go(self, wanted: str) -> None:
        """Continue as new, or end."""
        self._wanted = wanted

    @workflow.query
    def transcript(self) -> list[Any]:
        """Return the messages without what differs in each run, and the agent's state."""
        return [
            [{"role": message["role"], "content": message["content"]} for message in self._agent.messages],
            self._agent.state.get(),
            self._agent.event_loop_metrics.accumulated_usage,
        ]


def plugin() -> StrandsPlugin:
    return StrandsPlugin(models={"scripted": lambda: ScriptedModel(answer)}, tools={"convert": convert})


async def serve(address: str, task_queue: str, identity: str) -> None:
    client = await Client.connect(address, identity=identity, plugins=[plugin()])
    worker = Worker(
        client,
        task_queue=task_queue,
        workflows=[LiveChat],
        activities=[fetch_weather, pay],
        max_cached_workflows=0,
    )
    async with worker:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)


async def replay(files: list[str]) -> None:
    for file in files:
        history = WorkflowHistory.from_json("chat", Path(file).read_text())  # noqa: ASYNC240
        await assert_replays(history, [LiveChat], plugins=[plugin()])
    sys.stdout.write(f"{len(files)} replay\n")


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(replay(given) if given[0].endswith(".json") else serve(*given))
