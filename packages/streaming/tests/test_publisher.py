"""From the model to the stream: batches, signals that fail, killed workers, odd events."""

import asyncio
import logging
import os
import sys
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import (
    WAIT,
    LiveModel,
    bounded,
    plain_text,
    play,
    read_all,
    read_plain,
)
from strands.types.streaming import StreamEvent
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    WorkflowHandle,
)
from temporalio.common import RetryPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamClient
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import DevServer, Reply, ScriptedModel, assert_replays, say
from strands_temporal_streaming import (
    AgentStream,
    AttemptRestarted,
    CallStarted,
    MessageEnd,
    OutputLost,
    TextDelta,
)

pytestmark = [
    pytest.mark.server,
    # temporalio warns if a workflow ends while a reader polls. The reader reads the rest by query.
    pytest.mark.filterwarnings("ignore:.TMPRL1102:RuntimeWarning"),
]

ROOT = Path(__file__).parents[3]


@workflow.defn
class HeartbeatWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, seconds: float = 60) -> str:
        agent = TemporalAgent(
            "live",
            start_to_close_timeout=timedelta(seconds=seconds),
            streaming_topic="events",
            heartbeat_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
            callback_handler=None,
        )
        return str(await agent.invoke_async("go"))


class Trouble(Interceptor):
    """A client whose signals fail with `statuses` in turn, before or after the server accepts them."""

    def __init__(self, *statuses: RPCStatusCode, delivered: bool = False) -> None:
        self.statuses = list(statuses)
        self.delivered = delivered

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        trouble = self

        class Outbound(OutboundInterceptor):
            async def signal_workflow(self, input: SignalWorkflowInput) -> None:
                if not trouble.statuses:
                    return await super().signal_workflow(input)
                if trouble.delivered:
                    await super().signal_workflow(input)
                raise RPCError("no", trouble.statuses.pop(0), b"")

        return Outbound(next)


@asynccontextmanager
async def running(
    client: Client,
    model: ScriptedModel,
    options: dict[str, Any],
    *interceptors: Interceptor,
    seconds: float = 60,
) -> AsyncGenerator["WorkflowHandle[Any, str]"]:
    """Run a worker whose client has interceptors, start the workflow, and replay it at the end."""
    connected = Client(
        client.service_client,
        plugins=[StrandsPlugin(models={"live": lambda: model})],
        interceptors=interceptors,
    )
    queue = f"publisher-{uuid.uuid4()}"
    async with Worker(connected, task_queue=queue, workflows=[HeartbeatWorkflow], **options):
        handle = await connected.start_workflow(HeartbeatWorkflow.run, seconds, id=queue, task_queue=queue)
        yield handle
    await assert_replays(handle, [HeartbeatWorkflow])


@pytest.mark.parametrize("delivered", [False, True], ids=["lost", "delivered, the answer lost"])
async def test_passing_trouble_loses_and_repeats_nothing(
    client: Client, worker_options: dict[str, Any], delivered: bool
) -> None:
    model = ScriptedModel(say("One. Two.", chunk=1))
    trouble = Trouble(RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, delivered=delivered)
    async with running(client, model, worker_options, trouble) as handle:
        assert await handle.result() == "One. Two.\n"
        assert plain_text(await read_plain(client, handle.id)) == "One. Two."
    assert not trouble.statuses
    assert len(model.calls) == 1


async def test_trouble_for_good_costs_the_stream_but_neither_the_answer_nor_a_second_call(
    client: Client, worker_options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedModel(say("One. Two.", chunk=1))
    with caplog.at_level(logging.WARNING):
        async with running(client, model, worker_options, Trouble(RPCStatusCode.INVALID_ARGUMENT)) as handle:
            assert await handle.result() == "One. Two.\n"
            assert plain_text(await read_plain(client, handle.id)) == ""
    assert len(model.calls) == 1
    assert "the stream takes nothing more" in caplog.text
    assert "the answer itself is complete" in caplog.text


async def test_trouble_without_end_does_not_hold_the_answer_until_it_times_out(
    client: Client, worker_options: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A call that times out while it waits for its stream would be paid for twice."""
    model = ScriptedModel(say("One. Two.", chunk=1))
    trouble = Trouble(*[RPCStatusCode.UNAVAILABLE] * 100)
    with caplog.at_level(logging.WARNING):
        async with running(client, model, worker_options, trouble, seconds=3) as handle:
            assert await asyncio.wait_for(handle.result(), WAIT) == "One. Two.\n"
    assert len(model.calls) == 1
    assert "the answer itself is complete" in caplog.text


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_clock_that_is_wrong_costs_no_text(
    client: Client, worker_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    told = activity.info

    def info() -> activity.Info:
        return replace(told(), started_time=told().started_time + timedelta(hours=hours))

    monkeypatch.setattr(activity, "info", info)
    model = ScriptedModel(say("One. Two.", chunk=1))
    trouble = Trouble(*[RPCStatusCode.UNAVAILABLE] * 2)  # so the rest of the text is sent at the end
    async with running(client, model, worker_options, trouble) as handle:
        assert await handle.result() == "One. Two.\n"
        assert plain_text(await read_plain(client, handle.id)) == "One. Two."


@pytest.mark.slow  # a heartbeat timeout, and ten seconds of the killed worker's sticky queue
async def test_a_killed_workers_text_is_told_anew(
    client: Client, server: DevServer, agents: Agents, worker_options: dict[str, Any]
) -> None:
    queue = f"killed-{uuid.uuid4()}"
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "packages.streaming.tests.streaming_worker", server.address, queue),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "integration-tests"},
    )
    try:
        handle = await client.start_workflow(HeartbeatWorkflow.run, id=queue, task_queue=queue)
        events: list[Any] = []
        said = asyncio.Event()

        async def read() -> None:
            async for event in AgentStream(client, handle.id):
                events.append(event)
                if isinstance(event, TextDelta) and "upon " in event.text:
                    said.set()

        reader = asyncio.create_task(read())
        await asyncio.wait_for(said.wait(), WAIT)
        worker.kill()
        await worker.wait()
        model = LiveModel(play("The ", "end."))
        async with agents(
            workflows=[HeartbeatWorkflow], models={"live": lambda: model}, task_queue=queue
        ) as env:
            assert await asyncio.wait_for(handle.result(), 2 * WAIT) == "The end.\n"
            await asyncio.wait_for(reader, WAIT)
            await env.assert_replays(env.client.get_workflow_handle(handle.id))
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    kinds = [kind for kind, _ in groupby([type(event).__name__ for event in events])]
    assert kinds[:4] == ["CallStarted", "TextDelta", "AttemptRestarted", "TextDelta"]
    assert "AttemptFailed" not in kinds  # the killed worker could not report it
    after = events[[type(event) for event in events].index(AttemptRestarted) :]
    assert "".join(event.text for event in after if isinstance(event, TextDelta)) == "The end."


async def test_an_event_too_large_is_counted_and_the_rest_goes_on(
    client: Client, worker_options: dict[str, Any]
) -> None:
    huge = "x" * (1024 * 1024)
    signature: Any = {"contentBlockDelta": {"delta": {"reasoningContent": {"signature": huge}}}}

    async def events_of() -> AsyncIterator[StreamEvent]:
        async for event in play("before ", " after")():
            if event.get("contentBlockDelta", {}).get("delta", {}).get("text") == " after":
                yield signature
            yield event

    async with running(client, LiveModel(events_of), worker_options) as handle:
        assert await handle.result() == "before  after\n"
        events = await read_all(AgentStream(client, handle.id))
    started = events[0]
    assert isinstance(started, CallStarted)
    told = [event for event in events if isinstance(event, (TextDelta, OutputLost))]
    lost = next(event for event in told if isinstance(event, OutputLost))
    assert lost == OutputLost(started.call, 1, 1, lost.offset, started.started_at)
    assert [event for event in told if event is not lost] == [
        TextDelta("before ", started.call, lost.offset - 1),
        TextDelta(" after", started.call, lost.offset + 1),
    ]


async def test_a_megabyte_in_many_events_goes_out_whole(
    client: Client, worker_options: dict[str, Any]
) -> None:
    """All events come at once: more than fits into one signal, and more than fits into one poll's answer."""
    text = "".join(f"{number:08d}" for number in range(150_000))
    model = ScriptedModel(say(text, chunk=60_000))
    async with running(client, model, worker_options) as handle:
        assert await handle.result() == f"{text}\n"
        assert plain_text(await read_plain(client, handle.id)) == text


ODD: tuple[Any, ...] = (
    {"messageStart": {"role": "assistant"}},
    {"contentBlockStart": {"start": {}}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"redactedContent": b"\x00\xff"}}}},
    {"contentBlockStop": {}},
    {"contentBlockStart": {"start": {}}},
    {"contentBlockDelta": {"delta": {"text": "said"}}},
    {"contentBlockStop": {}},
    {"messageStop": {"stopReason": "the_newest_reason"}},
    {
        "metadata": {
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
            "metrics": {"latencyMs": 0},
        }
    },
)


@pytest.mark.parametrize(
    "converter", [DataConverter.default, pydantic_data_converter], ids=["default", "pydantic"]
)
async def test_no_event_of_a_provider_ends_the_guides_subscriber(
    client: Client, worker_options: dict[str, Any], converter: DataConverter
) -> None:
    """Both converters refuse bytes and unknown stop reasons for a reader with `result_type=StreamEvent`."""
    model = ScriptedModel(Reply(ODD))
    async with running(client, model, worker_options) as handle:
        await handle.result()
        reader = Client(client.service_client, data_converter=converter)
        events = await read_plain(reader, handle.id)
        assert len(events) == len(ODD)
        assert events[2] == {"contentBlockDelta": {"delta": {"reasoningContent": {"redactedContent": None}}}}
        assert plain_text(events) == "said"
        assert events[7] == {"messageStop": {"stopReason": "end_turn"}}
        typed = await read_all(AgentStream(reader, handle.id))
        assert [type(event) for event in typed[:3]] == [CallStarted, TextDelta, MessageEnd]


async def test_a_given_up_attempt_that_still_speaks_is_not_heard(
    client: Client, worker_options: dict[str, Any]
) -> None:
    """As after a network split: the server gives the call to another worker while the first goes on."""
    sent = asyncio.Event()
    model = LiveModel(play("wrong", ConnectionError("cut")), play(lambda: bounded(sent), "right"))

    async def read_and_disturb(handle: "WorkflowHandle[Any, str]") -> list[str]:
        texts: list[str] = []
        async for event in AgentStream(client, handle.id):
            if isinstance(event, TextDelta):
                texts.append(event.text)
            elif isinstance(event, AttemptRestarted):
                publisher = WorkflowStreamClient.create(client, handle.id)
                value = {"contentBlockDelta": {"delta": {"text": "late"}}}
                payload: Payload = DataConverter.default.payload_converter.to_payloads([value])[0]
                payload.metadata["strands-call"] = f"{event.call}/1".encode()
                publisher.topic("events").publish(payload)
                await publisher.flush()
                sent.set()
        return texts

    async with running(client, model, worker_options) as handle:
        assert await asyncio.wait_for(read_and_disturb(handle), WAIT) == ["wrong", "right"]
        assert await handle.result() == "right\n"
        assert plain_text(await read_plain(client, handle.id)) == "wronglateright"
