"""A reader that pauses while its workflow is reset or continues in another run."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, Dreamer, LiveModel, bounded, play, texts, words
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ResetReapplyType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamState

from strands_temporal import TemporalAgent
from strands_temporal.testing import ScriptedModel, say
from strands_temporal_streaming import AgentStream, End, StreamGap, TextDelta

pytestmark = pytest.mark.server

SIGNALS = ResetReapplyType.RESET_REAPPLY_TYPE_ALL_ELIGIBLE
NOTHING = ResetReapplyType.RESET_REAPPLY_TYPE_NONE


@dataclass
class Turns:
    """Numbers of the turns for this run, and for the next."""

    now: list[int]
    later: list[int]
    forgetful: bool = False
    keeps: int | None = None
    drops: int = 0
    stream: WorkflowStreamState | None = None


@workflow.defn
class TurnsWorkflow:
    @workflow.init
    def __init__(self, turns: Turns) -> None:
        self.stream = WorkflowStream(prior_state=turns.stream)
        self.go_on = asyncio.Event()

    @workflow.signal
    def proceed(self) -> None:
        self.go_on.set()

    @workflow.run
    async def run(self, turns: Turns) -> str:
        agent = TemporalAgent("live", streaming_topic="events", callback_handler=None)
        text = ""
        for number in turns.now:
            text = str(await agent.invoke_async(f"turn {number}")).strip()
        if turns.later:
            await self.go_on.wait()
            state = None if turns.forgetful else self.stream.get_state()
            if state is not None and turns.keeps is not None:
                cut = len(state.log) - turns.keeps
                state.base_offset, state.log = state.base_offset + cut, state.log[cut:]
            if state is not None and turns.drops:  # as if it had been taken before the last items
                state.log = state.log[: -turns.drops]
            workflow.continue_as_new(Turns(turns.later, [], stream=state))
        return text


async def reset(handle: "WorkflowHandle[Any, Any]", client: Client, turn: int, signals: bool) -> None:
    """Reset the workflow to the beginning of a turn, with or without the signals it got since."""
    scheduled = [
        event.event_id
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id),
            workflow_task_finish_event_id=scheduled[turn - 1] - 1,
            request_id=str(uuid.uuid4()),
            reset_reapply_type=SIGNALS if signals else NOTHING,
            reason="a test",
        ),
        retry=True,
    )


@pytest.mark.parametrize("signals", [False, True], ids=["signals dropped", "signals applied again"])
async def test_what_a_reset_run_says_while_the_reader_looks_away_is_told(
    agents: Agents, signals: bool
) -> None:
    """The new stream is already longer than the part that was read of the old one: offsets do not show it."""
    never = asyncio.Event()
    model = LiveModel(play("one ", "two ", never.wait), words("uno dos tres quattro cinco"), words("the end"))
    async with agents(workflows=[TurnsWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TurnsWorkflow.run, Turns([1, 2], []))
        reader = Dreamer(env.client, handle.id, "one ")
        await reader.dreams()
        await reset(handle, env.client, 1, signals)
        again = env.client.get_workflow_handle(handle.id)
        assert await asyncio.wait_for(again.result(), WAIT) == "the end"
        events = await reader.wakes()
        await env.assert_replays(again)
    assert texts(events)[1:] == ["uno dos tres quattro cinco", "the end"]
    assert texts(events)[0] in ("one", "one two")  # as much as had arrived before the reset
    assert isinstance(events[-1], End)


@pytest.mark.sample(1)
@pytest.mark.parametrize("signals", [False, True], ids=["signals dropped", "signals applied again"])
async def test_what_was_told_before_a_reset_is_not_told_again(agents: Agents, signals: bool) -> None:
    model = LiveModel(words("the first turn"), words("the second"), words("the second, but better"))
    async with agents(workflows=[TurnsWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TurnsWorkflow.run, Turns([1, 2], [3]))  # it waits before the third turn
        reader = Dreamer(env.client, handle.id, "second ")
        await reader.dreams()
        await reset(handle, env.client, 2, signals)
        again = env.client.get_workflow_handle(handle.id)
        await read_up_to(AgentStream(env.client, handle.id), "better ")
        await again.cancel()
        await asyncio.wait([asyncio.create_task(again.result())], timeout=WAIT)
        events = await reader.wakes()
        await env.assert_replays(again)
    assert texts(events) == ["the first turn", "the second", "the second, but better"]
    assert events[-1] == End("CANCELED", events[-1].offset)


async def read_up_to(stream: AgentStream, text: str) -> None:
    async def read() -> None:
        async for event in stream:
            if isinstance(event, TextDelta) and text in event.text:
                return
        raise AssertionError(f"{text!r} was not said")

    await asyncio.wait_for(read(), WAIT)


@pytest.mark.parametrize("forgetful", [False, True], ids=["state carried", "state not carried"])
async def test_the_end_of_a_run_and_all_of_the_next_are_told(agents: Agents, forgetful: bool) -> None:
    """Without a carried state the next stream begins at 0, and may already be longer than the part read."""
    model = ScriptedModel(say("short", chunk=3), say("a long, long answer", chunk=2), say("the end", chunk=3))
    async with agents(workflows=[TurnsWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TurnsWorkflow.run, Turns([1], [2, 3], forgetful))
        reader = Dreamer(env.client, handle.id, "sho")
        await reader.dreams()
        await handle.signal(TurnsWorkflow.proceed)
        assert await asyncio.wait_for(handle.result(), WAIT) == "the end"
        events = await reader.wakes()
        await env.assert_replays(env.client.get_workflow_handle(handle.id))
    assert texts(events) == ["short", "a long, long answer", "the end"]
    assert not [event for event in events if isinstance(event, StreamGap)]


async def test_what_the_next_run_no_longer_keeps_is_read_from_the_last(agents: Agents) -> None:
    """A hand-over keeps the end of the log. A reader that is behind reads the rest of the run that ended."""
    asleep = asyncio.Event()
    model = LiveModel(play("one ", lambda: bounded(asleep), "two "), words("the second"), words("the end"))
    async with agents(workflows=[TurnsWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TurnsWorkflow.run, Turns([1, 2], [3], keeps=2))
        reader = Dreamer(env.client, handle.id, "one ")
        await reader.dreams()
        asleep.set()
        await handle.signal(TurnsWorkflow.proceed)
        assert await asyncio.wait_for(handle.result(), WAIT) == "the end"
        events = await reader.wakes()
        await env.assert_replays(env.client.get_workflow_handle(handle.id))
    assert texts(events) == ["one two", "the second", "the end"]
    assert not [event for event in events if isinstance(event, StreamGap)]


@pytest.mark.parametrize("drops", [1, 2])
async def test_what_was_told_is_not_told_again_if_the_next_run_lacks_the_last_items(
    agents: Agents, drops: int
) -> None:
    """An item may come after the state was taken. The next run then has another one at its offset."""
    model = ScriptedModel(say("one two three four", chunk=4), say("the end", chunk=3))
    async with agents(workflows=[TurnsWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TurnsWorkflow.run, Turns([1], [2], drops=drops))
        reader = Dreamer(env.client, handle.id, "ur")
        await reader.dreams()
        await handle.signal(TurnsWorkflow.proceed)
        assert await asyncio.wait_for(handle.result(), WAIT) == "the end"
        events = await reader.wakes()
        await env.assert_replays(env.client.get_workflow_handle(handle.id))
    assert texts(events) == ["one two three four", "the end"]
    assert events[-1] == End("COMPLETED", events[-1].offset)
