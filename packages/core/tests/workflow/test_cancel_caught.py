"""A workflow that catches its cancellation goes on, and its agents stay usable."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from conftest import Agents
from packages.core.tests.workflow.cancel_scenes import SOON, started, stopped, until_cancelled
from packages.core.tests.workflow.cancel_scenes import nothing_runs as nothing_runs
from packages.core.tests.workflow.cancel_workflow_scenes import (
    BUILD,
    assert_ends_cancelled,
    audit,
    cleans_up,
    hook_started,
    never_ends,
    waits,
)
from temporalio import workflow
from temporalio.client import WorkflowUpdateStage

from strands_temporal.testing import Reply, ScriptedCall, ScriptedModel, say, use_tool

pytestmark = pytest.mark.server


@workflow.defn
class Catching:
    """Catches the cancellation and calls its agent again."""

    @workflow.run
    async def run(self, case: str) -> dict[str, Any]:
        self.agent = BUILD[case]()
        try:
            await self.agent.invoke_async("go")
        except asyncio.CancelledError:
            first = [dict(message) for message in self.agent.messages]
        else:
            raise AssertionError("not cancelled")
        result = await self.agent.invoke_async("again")
        return {"first": first, "text": str(result).strip(), "messages": self.agent.messages}


def on_second_turn(first: Reply) -> Callable[[ScriptedCall], Reply]:
    """Reply with `first` in the first turn, and answer the second."""

    def script(call: ScriptedCall) -> Reply:
        return say("here again") if call.text.endswith("again") else first

    return script


@pytest.mark.parametrize(
    ("case", "first", "running"),
    [
        ("model", say("too late").when(lambda: until_cancelled("model")), "model"),
        ("tool, concurrent", use_tool("never_ends", {"name": "a"}), "a"),
        ("tool, sequential", use_tool("never_ends", {"name": "a"}), "a"),
        ("sub-agent", use_tool("helper", {"input": "help"}), "sub"),
        ("hook", use_tool("echo", {"text": "x"}), "hook"),
        ("waits for the clean-up", use_tool("cleans_up", {"name": "a"}), "a"),
    ],
)
async def test_an_agent_that_was_cancelled_is_usable_and_its_messages_are_valid(
    agents: Agents, case: str, first: Reply, running: str
) -> None:
    model, sub = ScriptedModel(on_second_turn(first)), ScriptedModel(waits("sub"))
    models = {"model": lambda: model, "sub": lambda: sub}
    activities = [never_ends, cleans_up, hook_started]
    async with agents(workflows=[Catching], activities=activities, models=models) as env:
        handle = await env.start(Catching.run, case)
        await asyncio.wait_for(started[running].wait(), SOON)
        await handle.cancel()
        seen = await asyncio.wait_for(handle.result(), SOON)
        await env.assert_replays(handle)
    assert seen["text"] == "here again"
    assert_valid(seen["messages"])
    assert model.calls[-1].messages == [
        {"role": message["role"], "content": message["content"]} for message in seen["messages"][:-1]
    ]


def assert_valid(messages: list[Any]) -> None:
    """Each tool use has its result in the next message."""
    nothing: Any = {"content": []}
    for message, following in itertools.pairwise([*messages, nothing]):
        uses = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
        results = [
            block["toolResult"]["toolUseId"] for block in following["content"] if "toolResult" in block
        ]
        assert uses == results


@workflow.defn
class CancelledTwice:
    """A second cancellation comes while the workflow still waits after the first."""

    @workflow.run
    async def run(self) -> str:
        agent = BUILD["waits for the clean-up"]()
        turn = asyncio.create_task(agent.invoke_async("go"))
        await workflow.wait_condition(lambda: self.cancelled == 1)
        turn.cancel()
        await workflow.wait_condition(lambda: self.cancelled == 2)
        turn.cancel()
        try:
            await turn
        except asyncio.CancelledError:
            return str(await agent.invoke_async("again")).strip()
        return "not cancelled"

    def __init__(self) -> None:
        self.cancelled = 0

    @workflow.update
    async def cancel_turn(self) -> None:
        self.cancelled += 1


async def test_a_second_cancellation_does_not_wait_for_the_clean_up(agents: Agents) -> None:
    model = ScriptedModel(on_second_turn(use_tool("cleans_up", {"name": "stubborn"})))
    async with agents(
        workflows=[CancelledTwice], activities=[cleans_up], models={"model": lambda: model}
    ) as env:
        handle = await env.start(CancelledTwice.run)
        await asyncio.wait_for(started["stubborn"].wait(), SOON)
        await handle.execute_update(CancelledTwice.cancel_turn)
        await asyncio.wait_for(stopped["stubborn"].wait(), SOON)
        await handle.execute_update(CancelledTwice.cancel_turn)
        assert await asyncio.wait_for(handle.result(), SOON) == "here again"
        started["released"].set()
        await env.assert_replays(handle)


@workflow.defn
class LeftReader:
    """Reads an agent's events and leaves before they end."""

    @workflow.run
    async def run(self) -> str:
        agent = BUILD["audited"]()
        events = agent.stream_async("go")
        async for event in events:
            if "data" in event:
                break
        await events.aclose()
        return str(await agent.invoke_async("again")).strip()


async def test_a_reader_that_leaves_frees_the_agent(agents: Agents) -> None:
    model = ScriptedModel(say("one two three", chunk=4), say("here again"))
    models = {"model": lambda: model}
    async with agents(workflows=[LeftReader], activities=[audit], models=models) as env:
        assert await env.run(LeftReader.run) == "here again"
        history = await env.handles[0].fetch_history()
    types = [event.activity_task_scheduled_event_attributes.activity_type.name for event in history.events]
    assert [name for name in types if name] == ["invoke_model", "audit", "invoke_model", "audit"]


@workflow.defn
class InHandler:
    """Its turns run in an update handler, which the workflow's cancellation does not reach."""

    def __init__(self) -> None:
        self.agent = BUILD["model"]()

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def ask(self) -> str:
        return str(await self.agent.invoke_async("go"))


async def test_a_turn_in_a_handler_ends_with_its_workflow_and_is_told(agents: Agents) -> None:
    model = ScriptedModel(waits("model"))
    async with agents(workflows=[InHandler], models={"model": lambda: model}) as env:
        handle = await env.start(InHandler.run)
        accepted = WorkflowUpdateStage.ACCEPTED
        await handle.start_update(InHandler.ask, wait_for_stage=accepted)
        await asyncio.wait_for(started["model"].wait(), SOON)
        await handle.cancel()
        await assert_ends_cancelled(handle)
        await asyncio.wait_for(stopped["model"].wait(), SOON)
        await env.assert_replays(handle)
    assert len(model.calls) == 1
