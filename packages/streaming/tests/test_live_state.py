"""The state of a stream with several outermost agents: the end of one's turn leaves the others alone."""

import asyncio
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, play, read_all
from strands import Agent
from temporalio import workflow
from temporalio.contrib.workflow_streams import WorkflowStream

from strands_temporal import StrandsPlugin, TemporalAgent, TemporalModel
from strands_temporal.testing import ScriptedModel, assert_replays, say, use_tool
from strands_temporal_streaming import AgentStream, Snapshot, StreamHooks, StreamingPlugin, TurnEnd
from strands_temporal_streaming._state import LiveState
from strands_temporal_streaming._types import TurnEnd as End

pytestmark = [pytest.mark.server]


@workflow.defn
class TwoAgents:
    """A turn of `short` begins and ends while one of `long` runs, with a sub-agent in it."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.short_may_end = False

    @workflow.run
    async def run(self) -> str:
        hooks: list[Any] = [StreamHooks(self.stream)]
        helper = Agent(
            TemporalModel("helper", streaming_topic="events"),
            name="helper",
            description="Helps.",
            callback_handler=None,
        )
        long = TemporalAgent(
            "long", name="long", streaming_topic="events", tools=[helper], hooks=hooks, callback_handler=None
        )
        short = TemporalAgent(
            "short", name="short", streaming_topic="events", hooks=hooks, callback_handler=None
        )
        runs = asyncio.ensure_future(long.invoke_async("long"))
        await workflow.wait_condition(lambda: self.short_may_end)
        await short.invoke_async("short")
        return str(await runs).strip()

    @workflow.signal
    def end_short(self) -> None:
        self.short_may_end = True


async def test_the_end_of_a_turn_leaves_what_runs_in_another_agent(agents: Agents) -> None:
    helps, may_end = asyncio.Event(), asyncio.Event()

    async def helping() -> None:
        helps.set()
        await bounded(may_end)

    models: dict[str, Any] = {
        "long": ScriptedModel(use_tool("helper", {"input": "x"}), say("all done")),
        "helper": LiveModel(play("half ", helping, "whole")),
        "short": ScriptedModel(say("quick")),
    }
    plugins = [StrandsPlugin(models={name: lambda one=one: one for name, one in models.items()})]
    async with agents(workflows=[TwoAgents], plugins=[*plugins, StreamingPlugin()]) as env:
        handle = await env.start(TwoAgents.run)
        await asyncio.wait_for(helps.wait(), WAIT)
        await handle.signal(TwoAgents.end_short)
        async for event in AgentStream(env.client, handle.id):
            if isinstance(event, TurnEnd):
                assert event.agent == "short"
                break
        snapshot = await anext(aiter(AgentStream(env.client, handle.id, snapshot=True)))
        assert isinstance(snapshot, Snapshot)
        assert snapshot.status == "running"
        assert [one.path for one in snapshot.agents] == [("helper",)]
        assert [(one.agent, one.path) for one in snapshot.calls] == [("helper", ("helper",))]
        assert [one.name for one in snapshot.tool_calls] == ["helper"]
        may_end.set()
        events = await read_all(AgentStream(env.client, handle.id))
        assert [one.agent for one in events if isinstance(one, TurnEnd)] == ["short", "long"]
        snapshot = await anext(aiter(AgentStream(env.client, handle.id, snapshot=True)))
        assert isinstance(snapshot, Snapshot)
        assert (snapshot.status, snapshot.agents, snapshot.calls, snapshot.tool_calls) == ("idle", (), (), ())
        assert await handle.result() == "all done"
        await assert_replays(handle, [TwoAgents], plugins=env.plugins)


def test_what_came_from_an_earlier_run_ends_with_the_next_turn() -> None:
    """Nobody knows any more whose it was."""
    state = LiveState()
    state.restore({"turn": 1, "is_open": True, "waits": True, "tools": [], "questions": []})
    state.apply(End(agent="any", turn=1, stop_reason="end_turn"), 1, "any")
    assert (state.status, state.outermost) == ("idle", {})
