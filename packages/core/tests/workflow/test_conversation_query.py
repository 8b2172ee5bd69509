"""The query `conversation`: text for a person, of all agents, in pages that fit. A user's own query stays."""

from collections.abc import Sequence

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
