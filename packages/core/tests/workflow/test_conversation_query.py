"""The query `conversation`: text for a person, of all agents, in pages that fit. A user's own query stays."""

import gc
from collections.abc import Sequence
from weakref import ref

import pytest
from conftest import Agents
from packages.core.tests.workflow.operator_scenes import add, answer, weather
from strands import Agent
from temporalio import workflow
from temporalio.common import RawValue

from strands_temporal import TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel
from strands_temporal.workflow import activity_as_tool


@workflow.defn
class Talk:
    """Two agents of our own class with one name, and a plain one."""

    @workflow.run
    async def run(self, long: int) -> None:
        clerk = TemporalAgent(
            "m", name="clerk", tools=[add, activity_as_tool(weather)], callback_handler=None
        )
        for prompt in ["weather Bern", "add", "x" * long]:
            await clerk.invoke_async(prompt)
        other = TemporalAgent("m", name="clerk", callback_handler=None)
        await other.invoke_async("hello \ud83d there")
        plain = Agent(TemporalModel("m"), name="plain", callback_handler=None)
        plain.messages.append({"role": "user", "content": [{"image": {"format": "png", "source": {}}}]})  # pyright: ignore[reportArgumentType]
        plain.messages.append({"role": "assistant", "content": [{"text": "a picture"}]})
        await plain.invoke_async("hello")


@pytest.mark.server
async def test_it_reads_as_text(agents: Agents) -> None:
    async with agents(
        workflows=[Talk], models={"m": lambda: ScriptedModel(answer)}, activities=[weather]
    ) as env:
        handle = await env.start(Talk.run, 5_000)
        await handle.result()
        await env.assert_replays(handle)
        # After the end too, when the workflow has dropped its agents.
        told = await handle.query("conversation")
        one = await handle.query("conversation", "plain")
        unknown = await handle.query("conversation", "nobody")
        bad_page = await handle.query("conversation", args=["plain", "first"])
        beyond = await handle.query("conversation", args=["plain", 7])
        assert await handle.query("conversation", ["plain"]) == (
            "There is no agent ['plain'] here. Known: clerk, clerk #2, plain"
        )
        assert await handle.query("conversation", {"agent": {"name": "plain"}}) == (
            "There is no agent {'name': 'plain'} here. Known: clerk, clerk #2, plain"
        )
        # The Web UI sends one argument.
        assert await handle.query("conversation", {"agent": "plain"}) == one
        assert await handle.query("conversation", {"agent": "plain", "page": 7}) == beyond
        assert await handle.query("conversation", 0) == told
    clerk, other, plain = told.split("\n\n")
    assert clerk.splitlines() == [
        "=== clerk: idle, turn 3, 10 messages ===",
        "user: weather Bern",
        'assistant: [calls weather {"city": "Bern"}]',
        "user: [result: sunny in Bern]",
        "assistant: got sunny in Bern",
        "user: add",
        'assistant: [calls add {"a": 1, "b": 2}]',
        "user: [result: 3]",
        "assistant: got 3",
        f"user: {'x' * 2_000}… (5,000 characters)",
        f"assistant: heard {'x' * 1_994}… (5,006 characters)",
    ]
    assert other.splitlines()[:2] == ["=== clerk #2: idle, turn 1, 2 messages ===", "user: hello ? there"]
    assert plain == one
    assert plain.splitlines() == [
        "=== plain: idle, turn 1, 4 messages ===",
        "user: [image]",
        "assistant: a picture",
        "user: hello",
        "assistant: heard hello",
    ]
    assert unknown == "There is no agent 'nobody' here. Known: clerk, clerk #2, plain"
    assert bad_page == "The page 'first' is not a number. 0 is the latest one, 1 the one before"
    assert beyond == "=== plain: idle, turn 1, 4 messages, page 7 of 0 to 0 (0 is the latest) ==="


@workflow.defn
class Answering:
    """Has queries of the same names. Both stay the user's."""

    def __init__(self) -> None:
        self.agent = TemporalAgent("m", callback_handler=None)

    @workflow.run
    async def run(self) -> None:
        await self.agent.invoke_async("hello")

    @workflow.query
    def conversation(self) -> str:
        return "mine"

    @workflow.query(name="usage")
    def my_usage(self) -> int:
        return 7


@workflow.defn
class AnsweringAll:
    """Answers every query itself."""

    @workflow.run
    async def run(self) -> None:
        await TemporalAgent("m", callback_handler=None).invoke_async("hello")

    @workflow.query(dynamic=True)
    def any_query(self, name: str, args: Sequence[RawValue]) -> str:
        return f"mine: {name}"


@workflow.defn
class Silent:
    """Has an agent that says nothing."""

    @workflow.run
    async def run(self) -> None:
        TemporalAgent("m", callback_handler=None)


@pytest.mark.server
async def test_the_users_own_queries_stay(agents: Agents) -> None:
    async with agents(
        workflows=[Answering, AnsweringAll, Silent], models={"m": lambda: ScriptedModel(answer)}
    ) as env:
        own = await env.start(Answering.run)
        await own.result()
        assert (await own.query("conversation"), await own.query("usage")) == ("mine", 7)
        all_own = await env.start(AnsweringAll.run)
        await all_own.result()
        assert await all_own.query("conversation") == "mine: conversation"
        assert await all_own.query("usage") == "mine: usage"
        silent = await env.start(Silent.run)
        await silent.result()
        assert await silent.query("conversation") == "No agent has begun a turn in this run"
        for handle in (own, all_own, silent):
            await env.assert_replays(handle)


@workflow.defn
class Dropping:
    """Drops twelve agents of long conversations. Returns how many of them are still in memory."""

    @workflow.run
    async def run(self) -> int:
        kept = [await self.one(f"clerk {number}") for number in range(12)]
        with workflow.unsafe.sandbox_unrestricted():
            gc.collect()
        return sum(each() is not None for each in kept)

    async def one(self, name: str) -> "ref[Agent]":
        agent = TemporalAgent("m", name=name, callback_handler=None)
        agent.messages.extend({"role": "assistant", "content": [{"text": "x" * 1_990}]} for _ in range(30))
        await agent.invoke_async("hello")
        return ref(agent)


@pytest.mark.server
async def test_a_dropped_agent_leaves_memory_and_one_page(agents: Agents) -> None:
    async with agents(workflows=[Dropping], models={"m": lambda: ScriptedModel(answer)}) as env:
        handle = await env.start(Dropping.run)
        assert await handle.result() == 0
        told = await handle.query("conversation")
        one = await handle.query("conversation", "clerk 11")
        await env.assert_replays(handle)
    headings = [line for line in told.splitlines() if line.startswith("===")]
    assert [line.split(":")[0] for line in headings] == [f"=== clerk {number}" for number in range(4, 12)]
    assert one.splitlines()[0] == "=== clerk 11: idle, turn 1, 32 messages, the latest 21 are kept ==="
    assert one.splitlines()[-2:] == ["user: hello", "assistant: heard hello"]
