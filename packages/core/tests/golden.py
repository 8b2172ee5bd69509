"""Workflows with histories in the tree, and the script that records them. Never change what they do.

Each release replays the histories of all earlier releases (`histories/`). To record the histories of this
release:

    uv run python -m packages.core.tests.golden

A new subject gets its own workflow and recording here.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from strands import Agent, Sandbox, ToolContext, tool
from strands.agent.conversation_manager import (
    SlidingWindowConversationManager,
    SummarizingConversationManager,
)
from strands.hooks import AfterModelCallEvent, AfterToolCallEvent, BeforeToolCallEvent
from strands.sandbox import FileInfo
from strands.vended_plugins.skills import AgentSkills
from temporalio import activity, workflow

from strands_temporal import AgentCarry, StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import (
    DevServer,
    Reply,
    ScriptedCall,
    ScriptedModel,
    agent_environment,
    say,
    use_tool,
    use_tools,
)
from strands_temporal.workflow import TemporalStorage, activity_as_hook, activity_as_tool

HISTORIES = Path(__file__).parent / "histories"


class City(BaseModel):
    """A city."""

    name: str
    people: int


@activity.defn
async def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


@activity.defn
async def note(summary: str) -> None:
    """Write down what happened."""


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(context=True)
def remember(fact: str, tool_context: ToolContext) -> str:
    """Keep a fact in the agent's state."""
    tool_context.agent.state.set("fact", fact)
    return f"will remember {fact}"


@workflow.defn
class GoldenAgent:
    """Tools, hooks, a window, an interrupt, structured output, a sub-agent, over two runs."""

    @workflow.run
    async def run(self, carry: AgentCarry | None = None) -> list[Any]:
        """Talk, and return the conversation and the agent's state."""
        agent = self.agent(carry)
        if carry is None:
            await self.first_run(agent)
            workflow.continue_as_new(agent.carry())
        await agent.invoke_async("last: what do you know?")
        return [agent.messages, agent.state.get(), agent.event_loop_metrics.cycle_count]

    def agent(self, carry: AgentCarry | None) -> TemporalAgent:
        helper = TemporalAgent("scripted", name="helper", system_prompt="Help.", callback_handler=None)
        agent = TemporalAgent(
            TemporalModel("scripted", context_window_limit=1000),
            name="golden",
            system_prompt="Be brief.",
            tools=[
                add,
                remember,
                activity_as_tool(weather),
                helper.as_tool(name="helper", description="Ask."),
            ],
            conversation_manager=SlidingWindowConversationManager(window_size=8),
            callback_handler=None,
            carry=carry,
        )
        agent.add_hook(
            activity_as_hook(note, activity_input=lambda event: str(type(event).__name__)),
            AfterModelCallEvent,
        )
        agent.add_hook(self.approve, BeforeToolCallEvent)
        return agent

    async def first_run(self, agent: TemporalAgent) -> None:
        for prompt in ("hello", "add", "weather", "both", "helper"):
            await agent.invoke_async(prompt)
        result = await agent.invoke_async("remember")
        answers: Any = [
            {"interruptResponse": {"interruptId": interrupt.id, "response": "yes"}}
            for interrupt in result.interrupts or ()
        ]
        await agent.invoke_async(answers)
        agent.messages[-1]["content"] = [{"text": "edited by a hook"}]
        await agent.invoke_async("x" * 70_000)  # large, so the worker fetches it by query
        await agent.invoke_async("city", structured_output_model=City)
        await agent.invoke_async("state", invocation_state={"tenant": "acme"})

    def approve(self, event: BeforeToolCallEvent) -> None:
        """Ask before anything is remembered."""
        if event.tool_use["name"] == "remember" and event.interrupt("approval", reason="fact") != "yes":
            event.cancel_tool = "denied"


@workflow.defn
class GoldenStop:
    """An old case: after a stop in an approved tool, the agent took only answers again, and no prompt."""

    @workflow.run
    async def run(self) -> list[Any]:
        """Stop the agent, and go on talking."""
        agent = TemporalAgent("scripted", tools=[add, remember], callback_handler=None)
        agent.add_hook(self.approve, BeforeToolCallEvent)
        agent.add_hook(lambda event: event.agent.cancel(), AfterToolCallEvent)
        result = await agent.invoke_async("remember")
        answers: Any = [
            {"interruptResponse": {"interruptId": interrupt.id, "response": "yes"}}
            for interrupt in result.interrupts or ()
        ]
        stopped = await agent.invoke_async(answers)
        try:
            await agent.invoke_async("hello")
        except TypeError as error:
            return [stopped.stop_reason, str(error)]
        return [stopped.stop_reason, "went on"]

    def approve(self, event: BeforeToolCallEvent) -> None:
        """Ask before anything is remembered."""
        event.interrupt("approval", reason="fact")


class GoldenManager(SummarizingConversationManager):
    """A subclass that earlier releases did not refuse."""

    def reduce_context(self, agent: Agent, e: Exception | None = None, **kwargs: Any) -> None:
        """See base class."""
        super().reduce_context(agent, e, **kwargs)


@workflow.defn
class GoldenContext:
    """An old case: no agent asked for its model's facts, waited for its manager, or had a model count."""

    @workflow.run
    async def run(self) -> list[Any]:
        """Fill the context window, and return the length of the conversation and the last answer."""
        messages: Any = [
            {"role": "assistant" if number % 2 else "user", "content": [{"text": f"message {number} " * 9}]}
            for number in range(12)
        ]
        agent = TemporalAgent(
            "counting",
            messages=messages,
            conversation_manager=GoldenManager(0.8, 2, proactive_compression=True),
            callback_handler=None,
        )
        await agent.invoke_async("go")
        result = await agent.invoke_async("on")
        return [len(agent.messages), str(result)]


class GoldenHost(Sandbox):
    """A sandbox that reads the disk inside the workflow, which the workflow sandbox refuses."""

    async def execute_streaming(self, command: str, **options: Any) -> AsyncGenerator[Any, None]:
        yield await self.read_file(command)

    async def execute_code_streaming(
        self, code: str, language: str, **options: Any
    ) -> AsyncGenerator[Any, None]:
        yield await self.read_file(code)

    async def read_file(self, path: str, **options: Any) -> bytes:
        with open(path, "rb") as file:  # noqa: ASYNC230, PTH123  # see above
            return file.read()

    async def write_file(self, path: str, content: bytes, **options: Any) -> None:
        await self.read_file(path)

    async def remove_file(self, path: str, **options: Any) -> None:
        await self.read_file(path)

    async def list_files(self, path: str, **options: Any) -> list[FileInfo]:
        return [FileInfo("SKILL.md", is_dir=False)]


@tool(context=True)
async def look(tool_context: ToolContext) -> str:
    """Read a file."""
    return str(await tool_context.agent.sandbox.read_file("/etc/hostname"))


@tool
async def stored() -> str:
    """Read a value from a storage that the worker does not have."""
    return str(await TemporalStorage("none").read("value"))


@workflow.defn
class GoldenEnds:
    """An old case: the model read that a sandbox or a storage cannot work, and skills were missing."""

    @workflow.run
    async def run(self) -> list[Any]:
        """Use what cannot work, and return what the model read of it."""
        agent = TemporalAgent(
            "scripted",
            tools=[look, stored],
            sandbox=GoldenHost(),
            plugins=[AgentSkills("/skills")],
            callback_handler=None,
        )
        result = await agent.invoke_async("look")
        read: list[Any] = agent.messages[2]["content"]
        return [[one["toolResult"]["status"] for one in read], str(result)]


def counting() -> ScriptedModel:
    """Return a model that would count tokens itself, and says how small its context window is."""
    config = {"context_window_limit": 20, "use_native_token_count": True}
    return ScriptedModel(answer, config=config)


def answer(call: ScriptedCall) -> Reply:
    """Answer according to the prompt; after a tool, repeat its result."""
    asked = call.text
    if "toolResult" in call.messages[-1]["content"][-1]:
        return say(f"got {asked}")
    match asked:
        case "add":
            return use_tool("add", {"a": 2, "b": 3})
        case "weather":
            return use_tool("weather", {"city": "Bern"})
        case "both":
            return use_tools(
                [("add", {"a": 1, "b": 1}, "b1"), ("weather", {"city": "Basel"}, "b2")], text="both"
            )
        case "look":
            return use_tools([("look", {}, "l1"), ("stored", {}, "l2")])
        case "helper":
            return say("helped") if call.system_prompt == "Help." else use_tool("helper", {"input": "helper"})
        case "remember":
            return use_tool("remember", {"fact": "tea"})
        case "city":
            return use_tool("City", {"name": "Bern", "people": 140_000})
        case _:
            return say(f"{len(call.messages)} messages, last {asked[:30]!r}")


async def record() -> None:
    """Record a history of each run of the workflow with this release."""
    async with (
        DevServer() as server,
        agent_environment(
            server.address,
            workflows=[GoldenAgent, GoldenContext, GoldenEnds, GoldenStop],
            activities=[weather, note],
            plugins=[StrandsPlugin(models={"scripted": lambda: ScriptedModel(answer), "counting": counting})],
        ) as env,
    ):
        first = await env.start(GoldenAgent.run)
        await first.result()
        described = await first.describe()
        stop = await env.start(GoldenStop.run)
        await stop.result()
        context = await env.start(GoldenContext.run)
        await context.result()
        ends = await env.start(GoldenEnds.run)
        await ends.result()
        runs = [first.first_execution_run_id, described.run_id]
        recorded = {
            f"run{number}": env.client.get_workflow_handle(first.id, run_id=run_id)
            for number, run_id in enumerate(runs, 1)
        }
        for name, handle in {**recorded, "stop": stop, "context": context, "ends": ends}.items():
            text = (await handle.fetch_history()).to_json()
            path = HISTORIES / f"core-0.1.0-{name}.json"
            path.write_text(json.dumps(json.loads(text), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    asyncio.run(record())
