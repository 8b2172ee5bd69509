"""`AgentStream` and `StreamHooks` in trouble: too large, reset, retried, cancelled, encrypted."""

import asyncio
import base64
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import WAIT, LiveModel, bounded, of, play, read_all
from strands import tool
from strands.hooks import BeforeToolCallEvent, HookProvider, HookRegistry
from temporalio import workflow
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.contrib.workflow_streams import WorkflowStream
from temporalio.converter import PayloadCodec
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, say, use_tool
from strands_temporal_streaming import (
    AgentEvent,
    AgentStream,
    AttemptFailed,
    AttemptRestarted,
    CallStarted,
    End,
    StreamHooks,
    TextDelta,
    ToolCall,
    ToolResult,
    TurnEnd,
)

pytestmark = pytest.mark.server

HUGE = 1_600_000  # as base64 too large for a poll's answer, which would end the workflow


@tool
def count(text: str) -> int:
    """Count characters."""
    return len(text)


@tool
def half_a_pair() -> str:
    """Return text that no encoding of Unicode has."""
    return "half \ud83d pair"


class Ask(HookProvider):
    """Asks with the whole input as the reason."""

    def register_hooks(self, registry: HookRegistry, **kwargs: Any) -> None:
        registry.add_callback(BeforeToolCallEvent, self._ask)

    def _ask(self, event: BeforeToolCallEvent) -> None:
        event.interrupt("approval", reason=event.tool_use["input"])


@workflow.defn
class TroubleWorkflow:
    """Runs some turns of an agent, which a signal cancels. The agent's hooks do not know its topic."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.agent = TemporalAgent(
            "live",
            name="helper",
            tools=[count, half_a_pair],
            streaming_topic="speech",
            hooks=[StreamHooks(self.stream)],
            callback_handler=None,
        )

        self.read = False

    @workflow.signal
    def cancel_agent(self) -> None:
        self.agent.cancel()

    @workflow.signal
    def was_read(self) -> None:
        self.read = True

    @workflow.run
    async def run(self, turns: int = 1, gated: bool = False, fails_at_first: bool = False) -> list[str]:
        if gated:
            self.agent.hooks.add_hook(Ask())
        results = [await self.agent.invoke_async(f"turn {turn}") for turn in range(turns)]
        if fails_at_first and workflow.info().attempt == 1:
            await workflow.wait_condition(lambda: self.read)
            raise ApplicationError("the user's own, after the agent's turn")
        return [f"{result.stop_reason}: {result}".strip() for result in results]


def reading(client: Client, workflow_id: str, **options: Any) -> AgentStream:
    return AgentStream(client, workflow_id, topic="speech", **options)


async def test_a_tools_input_of_any_size_does_not_end_the_workflow(agents: Agents) -> None:
    model = ScriptedModel(use_tool("count", {"text": "x" * HUGE}), lambda call: say(call.text))
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TroubleWorkflow.run)
        events = await read_all(reading(env.client, handle.id))
        assert await handle.result() == [f"end_turn: {HUGE}"]
        await env.assert_replays(handle)
    (asked,) = of(ToolCall, events)
    assert asked.truncated
    assert asked.input.startswith('{"text": "xxx')
    assert len(asked.input) == 16_000
    (answered,) = of(ToolResult, events)
    assert (answered.status, answered.text, answered.truncated) == ("success", str(HUGE), False)


@pytest.mark.parametrize(
    ("text", "shown", "truncated"),
    [("x" * HUGE, '{"text": "' + "x" * 15_990, True), ("short", {"text": "short"}, False)],
    ids=["huge", "short"],
)
async def test_any_reason_of_an_interrupt_can_be_shown(
    agents: Agents, text: str, shown: Any, truncated: bool
) -> None:
    model = ScriptedModel(use_tool("count", {"text": text}), say("never"))
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TroubleWorkflow.run, 1, True)
        events = await read_all(reading(env.client, handle.id))
        assert (await handle.result())[0].startswith("interrupt: ")
        await env.assert_replays(handle)
    (turn,) = of(TurnEnd, events)
    (interrupt,) = turn.interrupts
    assert (interrupt.name, interrupt.reason, interrupt.truncated) == ("approval", shown, truncated)


async def test_what_cannot_be_shown_as_it_is_stays_as_it_is_for_the_agent(agents: Agents) -> None:
    """An error in this package's hook would turn the tool's result into a failure."""
    model = ScriptedModel(use_tool("half_a_pair", {}), say("ok"))
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TroubleWorkflow.run)
        events = await read_all(reading(env.client, handle.id))
        await handle.result()
        await env.assert_replays(handle)
    (result,) = of(ToolResult, events)
    assert (result.status, result.text) == ("success", "half ? pair")
    assert model.calls[1].text == "half \ud83d pair"


async def test_a_cancelled_answer_ends_its_turn_and_the_next_one_is_whole(agents: Agents) -> None:
    never = asyncio.Event()
    model = LiveModel(play("first ", never.wait), play("second"))
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TroubleWorkflow.run, 2)
        events: list[AgentEvent] = []

        async def read() -> None:
            async for event in reading(env.client, handle.id):
                events.append(event)
                if isinstance(event, TextDelta) and event.text == "first ":
                    await handle.signal(TroubleWorkflow.cancel_agent)

        await asyncio.wait_for(read(), WAIT)
        assert await handle.result() == ["cancelled: Cancelled by user", "end_turn: second"]
        await env.assert_replays(handle)
    first, second = of(CallStarted, events)
    assert [(event.text, event.call) for event in of(TextDelta, events)] == [
        ("first ", first.call),
        ("second", second.call),
    ]
    assert [event.stop_reason for event in of(TurnEnd, events)] == ["cancelled", "end_turn"]


async def test_it_follows_a_reset(agents: Agents) -> None:
    never = asyncio.Event()
    model = LiveModel(play("before ", never.wait), play("after"))
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TroubleWorkflow.run)
        said = asyncio.Event()
        events: list[AgentEvent] = []

        async def read() -> None:
            async for event in reading(env.client, handle.id):
                events.append(event)
                if isinstance(event, TextDelta) and event.text == "before ":
                    said.set()

        reader = asyncio.create_task(read())
        await bounded(said)
        first_task = next(
            event.event_id
            for event in (await handle.fetch_history()).events
            if event.HasField("workflow_task_completed_event_attributes")
        )
        await env.client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=env.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=handle.id),
                workflow_task_finish_event_id=first_task,
                request_id=str(uuid.uuid4()),
                reason="a test",
            ),
            retry=True,
        )
        again = env.client.get_workflow_handle(handle.id)
        assert await asyncio.wait_for(again.result(), WAIT) == ["end_turn: after"]
        await asyncio.wait_for(reader, WAIT)
        await env.assert_replays(again)
    assert "after" in [event.text for event in of(TextDelta, events)]
    assert of(End, events) == [End("COMPLETED", events[-1].offset)]


async def test_it_follows_a_workflow_that_is_tried_again_as_a_whole(agents: Agents) -> None:
    """The new run's log begins at 0 again. A reader waiting at a later offset would miss it."""
    model = ScriptedModel(say("A long way to go.", chunk=1), say("Short."))
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}) as env:
        policy = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=2)
        handle = await env.start(TroubleWorkflow.run, 1, False, True, retry_policy=policy)
        events: list[AgentEvent] = []

        async def read() -> None:
            async for event in reading(env.client, handle.id):
                events.append(event)
                if isinstance(event, TurnEnd) and len(of(TurnEnd, events)) == 1:
                    await handle.signal(TroubleWorkflow.was_read)

        await asyncio.wait_for(read(), WAIT)
        assert await handle.result() == ["end_turn: Short."]
        await env.assert_replays(handle)
    texts: dict[str, str] = {}
    for event in of(TextDelta, events):
        texts[event.call] = texts.get(event.call, "") + event.text
    assert list(texts.values()) == ["A long way to go.", "Short."]
    assert of(End, events) == [End("COMPLETED", events[-1].offset)]


async def test_who_stops_in_the_middle_of_an_item_gets_the_rest_of_it(agents: Agents) -> None:
    """If the mark of a second attempt is lost, one of its chunks gives two events: the mark and the text."""
    model = LiveModel(play("once ", ConnectionError("cut")), play("again"))
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(TroubleWorkflow.run)
        await handle.result()
        everything = await read_all(reading(env.client, handle.id))
        (mark,) = of(AttemptRestarted, everything)
        text = of(TextDelta, everything)[-1]
        stream = reading(env.client, handle.id)
        seen: list[AgentEvent] = []
        # This reader knows the first attempt, and returns at an offset of the second.
        async for event in stream:
            seen.append(event)
            if isinstance(event, TextDelta):
                break
        late = reading(env.client, handle.id, from_offset=text.offset)
        late._calls = stream._calls  # pyright: ignore[reportPrivateUsage]  # as if it had slept
        async for event in late:
            seen.append(event)
            if isinstance(event, AttemptRestarted):
                break
        seen += await read_all(late)
        await env.assert_replays(handle)
    place: dict[str, Any] = {"agent": mark.agent, "turn": 1, "path": mark.path}
    restarted = AttemptRestarted(mark.call, 2, offset=text.offset, started_at=mark.started_at, **place)
    assert seen[seen.index(text) - 1] == restarted


async def test_a_reader_waits_for_a_worker_however_small_its_patience(agents: Agents) -> None:
    queue = f"patience-{uuid.uuid4()}"
    model = ScriptedModel(say("here"))
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}, task_queue=queue) as env:
        pass  # this worker has ended again
    handle = await env.start(TroubleWorkflow.run)
    reader = asyncio.create_task(read_all(reading(env.client, handle.id, patience=timedelta(0))))
    await asyncio.wait([reader], timeout=0.5)
    assert not reader.done()
    async with agents(workflows=[TroubleWorkflow], models={"live": lambda: model}, task_queue=queue) as env:
        assert [event.text for event in of(TextDelta, await reader)] == ["here"]
        await env.assert_replays(handle)


@workflow.defn
class OneAttemptWorkflow:
    """An agent whose model calls have one attempt. A call that is cut short is repeated by a new activity."""

    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self) -> str:
        once = RetryPolicy(maximum_attempts=1)
        agent = TemporalAgent("live", streaming_topic="speech", retry_policy=once, callback_handler=None)
        return str(await agent.invoke_async("go")).strip()


async def test_what_a_call_said_that_was_cut_short_is_taken_back(agents: Agents) -> None:
    said, queue = asyncio.Event(), f"cut-{uuid.uuid4()}"
    model = LiveModel(play("half ", asyncio.Event().wait), play("all of it"))
    options: Any = {"workflows": [OneAttemptWorkflow], "models": {"live": lambda: model}, "task_queue": queue}
    events: list[AgentEvent] = []

    async def read(handle: Any) -> None:
        async for event in reading(env.client, handle.id):
            events.append(event)
            if isinstance(event, TextDelta):
                said.set()

    async with agents(**options) as env:
        handle = await env.start(OneAttemptWorkflow.run)
        reader = asyncio.create_task(read(handle))
        await bounded(said)
    async with agents(**options) as env:
        assert await asyncio.wait_for(handle.result(), WAIT) == "all of it"
        await asyncio.wait_for(reader, WAIT)
        await env.assert_replays(handle)
    (first,) = of(CallStarted, events)
    marks = [event for event in events if isinstance(event, (TextDelta, AttemptFailed, AttemptRestarted))]
    assert {event.call for event in marks} == {first.call}
    assert [type(event) for event in marks] == [TextDelta, AttemptFailed, AttemptRestarted, TextDelta]
    assert [event.text for event in of(TextDelta, events)] == ["half ", "all of it"]


class Rot(PayloadCodec):
    """Stands in for encryption: payloads are a third larger, and unreadable without the codec."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"rot"}, data=base64.b64encode(payload.SerializeToString()))
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(base64.b64decode(payload.data)) for payload in payloads]


async def test_what_is_streamed_is_encrypted_as_everything_else(
    client: Client, worker_options: dict[str, Any]
) -> None:
    secret = "strictly-confidential"
    model = LiveModel(play(secret, "x" * 1_000_000, "."))  # more than a batch
    converter = replace(pydantic_data_converter, payload_codec=Rot())
    plugins = [StrandsPlugin(models={"live": lambda: model})]
    encrypted = Client(client.service_client, data_converter=converter, plugins=plugins)
    reader = Client(client.service_client, data_converter=converter)
    queue = f"encrypted-{uuid.uuid4()}"
    async with Worker(encrypted, task_queue=queue, workflows=[TroubleWorkflow], **worker_options):
        handle = await reader.start_workflow(TroubleWorkflow.run, id=queue, task_queue=queue)
        typed = await read_all(reading(reader, handle.id))
        assert sum(len(event.text) for event in of(TextDelta, typed)) == len(secret) + 1_000_001
        history = await handle.fetch_history()
        assert secret not in str(history.events)
        replayer = Replayer(workflows=[TroubleWorkflow], plugins=plugins, data_converter=converter)
        await replayer.replay_workflow(history)
