"""The workflow's current details and its queries, as the Web UI and the command line read them."""

import asyncio
import contextlib
from typing import Any

import pytest
from conftest import Agents, at_rest
from packages.core.tests.workflow.operator_scenes import METADATA, add, answer, metadata, summaries, weather
from strands import Agent, ToolContext, tool
from strands.hooks import BeforeInvocationEvent
from temporalio import workflow

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.extension import set_details_line
from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, use_tool
from strands_temporal.workflow import activity_as_tool

pytestmark = pytest.mark.server

SOON = 30


@tool(context=True)
def ask_first(tool_context: ToolContext) -> str:
    """Ask a person."""
    return str(tool_context.interrupt("approval", reason="may I?"))


@workflow.defn
class Desk:
    """Turns on request, by two agents. The user's own text is in the details."""

    def __init__(self) -> None:
        self.done = False
        self.clerk = TemporalAgent(
            "m",
            name="clerk",
            tools=[add, activity_as_tool(weather), ask_first],
            callback_handler=None,
        )
        self.plain = Agent(TemporalModel("m"), name="plain", callback_handler=None)

    @workflow.run
    async def run(self) -> None:
        workflow.set_current_details("Desk 7")
        await workflow.wait_condition(lambda: self.done)

    @workflow.signal
    async def ask(self, who: str, prompt: Any) -> None:
        await {"clerk": self.clerk, "plain": self.plain}[who].invoke_async(prompt)

    @workflow.signal
    def say(self, text: str) -> None:
        workflow.set_current_details(text)

    @workflow.signal
    def end(self) -> None:
        self.done = True

    @workflow.query
    def own_text(self) -> str:
        return workflow.get_current_details()


def lines(text: str) -> list[str]:
    return text.split("\n\n")


async def test_the_details_say_what_each_agent_does(agents: Agents) -> None:
    calls: asyncio.Queue[str] = asyncio.Queue()
    go_on = asyncio.Event()

    async def slow(call: ScriptedCall) -> Reply:
        if call.text == "wait":
            calls.put_nowait("model")
            await go_on.wait()
        return use_tool("ask_first", {}) if call.text == "ask" else answer(call)

    async with agents(
        workflows=[Desk], models={"m": lambda: ScriptedModel(slow)}, activities=[weather]
    ) as env:
        handle = await env.start(Desk.run)
        assert lines((await metadata(handle)).current_details) == [
            "Desk 7",
            "0 model calls, 0 tokens in, 0 tokens out",
        ]
        await handle.signal(Desk.ask, args=["clerk", "wait"])
        await asyncio.wait_for(calls.get(), SOON)
        assert lines((await metadata(handle)).current_details) == [
            "Desk 7",
            "**clerk**: calling model m, turn 1",
            "0 model calls, 0 tokens in, 0 tokens out",
        ]
        go_on.set()
        await at_rest(handle)
        await handle.signal(Desk.ask, args=["plain", "hello"])
        await handle.signal(Desk.ask, args=["clerk", "ask"])
        await handle.signal(Desk.say, "Desk 8")
        await at_rest(handle)
        assert lines((await metadata(handle)).current_details) == [
            "Desk 8",
            "**clerk**: waiting for people, turn 2",
            "**plain**: idle, turn 1",
            "3 model calls, 220 tokens in, 30 tokens out",
        ]
        # The user's text is the user's: ours is not in it.
        assert await handle.query(Desk.own_text) == "Desk 8"
        await handle.signal(Desk.end)
        await handle.result()
        await env.assert_replays(handle)
        # Also after the end, when the workflow has dropped its agents.
        assert "**clerk**: waiting for people" in (await metadata(handle)).current_details
        # Nothing of it is in history: six signals' events, three calls, and no more.
        history = await handle.fetch_history()
        assert b"waiting for people" not in b"".join(e.SerializeToString() for e in history.events)
        assert [name for name, _ in await summaries(history)] == ["invoke_model"] * 3


@workflow.defn
class Lines:
    """Sets and removes lines, with and without agents."""

    @workflow.run
    async def run(self) -> None:
        set_details_line("warning", "no worker polls 'gpu'")
        set_details_line("later", lambda: "made when asked")
        set_details_line("nothing", lambda: None)
        await workflow.wait_condition(lambda: self.done)

    done = False

    @workflow.signal
    def remove(self) -> None:
        set_details_line("warning", None)
        set_details_line("never there", None)
        set_details_line("later", "replaced")

    @workflow.signal
    def end(self) -> None:
        self.done = True


async def test_lines_are_kept_by_key(agents: Agents) -> None:
    async with agents(workflows=[Lines], models={"m": lambda: ScriptedModel()}) as env:
        handle = await env.start(Lines.run)
        assert lines((await metadata(handle)).current_details) == ["no worker polls 'gpu'", "made when asked"]
        await handle.signal(Lines.remove)
        assert lines((await metadata(handle)).current_details) == ["replaced"]
        await handle.signal(Lines.end)
        await handle.result()
        await env.assert_replays(handle)


def broken() -> str:
    raise RuntimeError("a plugin's fault")


@workflow.defn
class Broken:
    """Has lines that cannot be made, and one that can."""

    @workflow.run
    async def run(self) -> None:
        set_details_line("broken", broken)
        set_details_line("odd", lambda: 7)  # pyright: ignore[reportArgumentType]
        set_details_line("half", "half \ud83d a pair")
        set_details_line("good", "good")


async def test_a_line_that_fails_leaves_the_others(agents: Agents) -> None:
    async with agents(workflows=[Broken], models={"m": lambda: ScriptedModel()}) as env:
        handle = await env.start(Broken.run)
        await handle.result()
        assert lines((await metadata(handle)).current_details) == [
            "(failed: RuntimeError)",
            "(failed: AttributeError)",
            "half ? a pair",
            "good",
        ]
        await env.assert_replays(handle)


@workflow.defn
class Refused:
    """A hook refuses the first turn."""

    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self, prompts: list[str]) -> None:
        agent = TemporalAgent("m", name="clerk", callback_handler=None)
        agent.add_hook(self.refuse, BeforeInvocationEvent)
        for prompt in prompts:
            with contextlib.suppress(PermissionError):
                await agent.invoke_async(prompt)
        await workflow.wait_condition(lambda: self.done)

    @workflow.signal
    def end(self) -> None:
        self.done = True

    def refuse(self, event: BeforeInvocationEvent) -> None:
        if "refuse" in str(event.messages):
            raise PermissionError


async def test_an_agent_whose_hook_refused_a_turn_is_idle(agents: Agents) -> None:
    async with agents(workflows=[Refused], models={"m": lambda: ScriptedModel(answer)}) as env:
        for prompts, shown in (["refuse"], []), (["hello", "refuse"], ["**clerk**: idle, turn 2"]):
            handle = await env.start(Refused.run, prompts)
            await at_rest(handle)
            told = lines((await metadata(handle)).current_details)
            await handle.signal(Refused.end)
            await handle.result()
            await env.assert_replays(handle)
            assert told[:-1] == shown


@workflow.defn
class Bare:
    """No agents: nothing is added."""

    @workflow.run
    async def run(self) -> None:
        workflow.set_current_details("mine")

    @workflow.query(description="my own")
    def own(self) -> str:
        return "own"


async def test_a_workflow_without_agents_is_left_alone(agents: Agents) -> None:
    async with agents(workflows=[Bare], models={"m": lambda: ScriptedModel()}) as env:
        handle = await env.start(Bare.run)
        await handle.result()
        told = await metadata(handle)
        assert told.current_details == "mine"
        described = {query.name: query.description for query in told.definition.query_definitions}
        assert described["own"] == "my own"
        assert described.keys().isdisjoint({"conversation", "usage", "strands_transcript"})


async def test_queries_are_described_and_answer_a_person(agents: Agents) -> None:
    async with agents(
        workflows=[Desk], models={"m": lambda: ScriptedModel(answer)}, activities=[weather]
    ) as env:
        handle = await env.start(Desk.run)
        told = (await metadata(handle)).definition.query_definitions
        described = {query.name: query.description for query in told}
        assert described["strands_transcript"].startswith("For workers: ")
        assert described["conversation"].startswith("The agents' conversations as text")
        assert "as JSON" in described["usage"]
        assert described[METADATA] == ""
        for arguments in ([], ["clerk"], [1, 2], ["a", "b", "c", "d", "e", "f"], [{"x": 1}, None, 1, 2]):
            said = await handle.query("strands_transcript", args=arguments)
            assert said == described["strands_transcript"]
        assert await handle.query("strands_transcript", args=[7, 7, 0, False]) == ""  # a worker's question
        await handle.signal(Desk.end)
        await handle.result()
        await env.assert_replays(handle)


def test_a_state_names_the_tools() -> None:
    from strands_temporal._workflow.agent_views import AgentView

    view = AgentView(turns=[1.0], models=["m"])
    assert view.state() == "calling model m"
    view.tools["1"] = "weather", 2.0
    assert view.state() == "in tool weather"
    view.tools |= {"2": ("weather", 2.0), "3": ("add", 2.0)}
    assert view.state() == "in tools add, weather"
    assert AgentView(turns=[1.0]).state() == "working"
    assert AgentView(waiting=True).state() == "waiting for people"
    assert AgentView().state() == "idle"


@workflow.defn
class Many:
    """More agents than the details show. The first one waits for an answer."""

    def __init__(self) -> None:
        self.done = False

    @workflow.run
    async def run(self) -> None:
        crowd = [TemporalAgent("m", tools=[ask_first], callback_handler=None) for _ in range(23)]
        await crowd[0].invoke_async("ask")
        await asyncio.gather(*(agent.invoke_async("hello") for agent in crowd[1:]))
        await workflow.wait_condition(lambda: self.done)

    @workflow.signal
    def end(self) -> None:
        self.done = True


async def test_of_many_agents_those_that_do_something_are_shown(agents: Agents) -> None:
    def ask(call: ScriptedCall) -> Reply:
        return use_tool("ask_first", {}) if call.text == "ask" else answer(call)

    async with agents(workflows=[Many], models={"m": lambda: ScriptedModel(ask)}) as env:
        handle = await env.start(Many.run)
        await at_rest(handle)
        told = lines((await metadata(handle)).current_details)
        await handle.signal(Many.end)
        await handle.result()
        await env.assert_replays(handle)
    assert len(told) == 22
    assert told[:2] == [
        "**Strands Agents**: waiting for people, turn 1",
        "**Strands Agents #5**: idle, turn 1",
    ]
    assert told[-3:] == [
        "**Strands Agents #23**: idle, turn 1",
        "3 more agents",
        "23 model calls, 2,220 tokens in, 230 tokens out",
    ]
