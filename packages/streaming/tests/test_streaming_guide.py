"""The guide's way: a topic, a stream on the workflow, and temporalio's own subscriber."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Agents
from packages.streaming.tests.streaming_support import (
    WAIT,
    LiveModel,
    bounded,
    merged,
    plain_text,
    play,
    read_plain,
)
from strands.types.streaming import StreamEvent
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamClient
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import ScriptedModel, assert_replays, say
from strands_temporal_streaming import AgentStream, AttemptRestarted, StreamingPlugin, TextDelta

pytestmark = [
    pytest.mark.server,
    # temporalio warns if a workflow ends while a reader polls. The reader reads the rest by query.
    pytest.mark.filterwarnings("ignore:.TMPRL1102:RuntimeWarning"),
]


@workflow.defn
class StreamingWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.agent = TemporalAgent(
            model="live",
            start_to_close_timeout=timedelta(seconds=60),
            streaming_topic="events",
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        return str(await self.agent.invoke_async(prompt))


@workflow.defn
class NoStreamWorkflow:
    def __init__(self) -> None:
        self.agent = TemporalAgent("live", streaming_topic="events", callback_handler=None)

    @workflow.run
    async def run(self, prompt: str) -> str:
        return str(await self.agent.invoke_async(prompt))


def strands_plugin(model: ScriptedModel) -> StrandsPlugin:
    return StrandsPlugin(models={"live": lambda: model})


def only_core(model: ScriptedModel) -> tuple[list[Any], list[Any]]:
    return [], [strands_plugin(model)]


def on_worker(model: ScriptedModel) -> tuple[list[Any], list[Any]]:
    return [], [StreamingPlugin(), strands_plugin(model)]


def on_client(model: ScriptedModel) -> tuple[list[Any], list[Any]]:
    return [strands_plugin(model), StreamingPlugin()], []


def on_both(model: ScriptedModel) -> tuple[list[Any], list[Any]]:
    plugins = [strands_plugin(model), StreamingPlugin()]
    return plugins, plugins


def split(model: ScriptedModel) -> tuple[list[Any], list[Any]]:
    return [StreamingPlugin()], [strands_plugin(model)]


@pytest.mark.parametrize("place", [only_core, on_worker, on_client, on_both, split], ids=lambda p: p.__name__)
async def test_the_guides_subscriber_reads_the_answer_in_order(
    client: Client, worker_options: dict[str, Any], place: Callable[..., tuple[list[Any], list[Any]]]
) -> None:
    model = ScriptedModel(say("One. Two. Three. Four. Five.", chunk=2))
    for_client, for_worker = place(model)
    connected = Client(client.service_client, plugins=for_client)
    workflow_id = f"streaming-{uuid.uuid4()}"
    async with Worker(
        connected,
        task_queue=workflow_id,
        workflows=[StreamingWorkflow],
        plugins=for_worker,
        **worker_options,
    ):
        handle = await connected.start_workflow(
            StreamingWorkflow.run,
            "Count from 1 to 5, one number per sentence.",
            id=workflow_id,
            task_queue=workflow_id,
        )
        printed: list[str] = []

        async def consume() -> None:
            stream = WorkflowStreamClient.create(connected, workflow_id)
            async for item in stream.subscribe(
                ["events"],
                from_offset=0,
                result_type=StreamEvent,
                poll_cooldown=timedelta(milliseconds=50),
            ):
                event: StreamEvent = item.data
                if "contentBlockDelta" in event:
                    delta = event["contentBlockDelta"].get("delta", {})
                    if "text" in delta:
                        printed.append(delta["text"])
                elif "messageStop" in event:
                    return

        consume_task = asyncio.create_task(consume())
        result = await handle.result()
        await asyncio.wait_for(consume_task, timeout=10.0)
        assert result == "One. Two. Three. Four. Five.\n"
        assert "".join(printed) == "One. Two. Three. Four. Five."
        # The topic has every event of the model exactly once, and nothing else. Adjacent chunks are merged.
        told = await read_plain(connected, workflow_id)
        assert merged(told) == merged(model.script[0].events)  # type: ignore[union-attr]
    await assert_replays(handle, [StreamingWorkflow], plugins=[*for_client, *for_worker])
    history = await handle.fetch_history()
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert scheduled == ["invoke_model_streaming"]


async def test_the_first_chunk_is_seen_while_the_model_still_speaks(agents: Agents) -> None:
    """The model goes on only after the subscriber has seen its first chunk."""
    seen_first, seen_second = asyncio.Event(), asyncio.Event()
    model = LiveModel(play("first", lambda: bounded(seen_first), "second", lambda: bounded(seen_second), "."))
    async with agents(workflows=[StreamingWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(StreamingWorkflow.run, "go")
        stream = WorkflowStreamClient.create(env.client, handle.id)

        async def consume() -> None:
            async for item in stream.subscribe(["events"], 0, result_type=StreamEvent):
                text = plain_text([item.data])
                if text:
                    {"first": seen_first, "second": seen_second}.get(text, asyncio.Event()).set()

        consumer = asyncio.create_task(consume())
        assert await asyncio.wait_for(handle.result(), WAIT) == "firstsecond.\n"
        await asyncio.wait_for(consumer, WAIT)  # ends with the workflow
        await env.assert_replays(handle)


async def test_the_first_chunk_does_not_wait_for_the_batch_interval(agents: Agents) -> None:
    """This holds even right after a batch has gone out. Here that batch is the mark of a second attempt."""
    marked, seen = asyncio.Event(), asyncio.Event()
    model = LiveModel(
        play(ConnectionError("cut")),
        play(lambda: bounded(marked), "first", lambda: bounded(seen), "second"),
    )
    async with agents(workflows=[SlowBatchesWorkflow], models={"live": lambda: model}) as env:
        handle = await env.start(SlowBatchesWorkflow.run, "go")

        async def read() -> None:
            async for event in AgentStream(env.client, handle.id):
                if isinstance(event, AttemptRestarted):
                    marked.set()
                elif isinstance(event, TextDelta) and event.text == "first":
                    seen.set()

        reader = asyncio.create_task(read())
        # The last chunk does not wait for the interval either: an hour would outlast the test.
        assert await asyncio.wait_for(handle.result(), WAIT) == "firstsecond\n"
        assert plain_text(await read_plain(env.client, handle.id)) == "firstsecond"
        await asyncio.wait_for(reader, WAIT)
        await env.assert_replays(handle)


@workflow.defn
class SlowBatchesWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()
        self.agent = TemporalAgent(
            "live",
            streaming_topic="events",
            streaming_batch_interval=timedelta(hours=1),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=1)),
            callback_handler=None,
        )

    @workflow.run
    async def run(self, prompt: str) -> str:
        return str(await self.agent.invoke_async(prompt))


async def test_a_late_subscriber_reads_all_and_one_in_the_middle_the_rest(agents: Agents) -> None:
    async with agents(
        workflows=[StreamingWorkflow], models={"live": lambda: ScriptedModel(say("abcdef", chunk=1))}
    ) as env:
        handle = await env.start(StreamingWorkflow.run, "go")
        await handle.result()
        all_of_it = await read_plain(env.client, handle.id)
        assert plain_text(all_of_it) == "abcdef"
        # Offset 0 is the call's mark on the control topic, then messageStart, contentBlockStart, the text.
        assert plain_text(await read_plain(env.client, handle.id, from_offset=3)) == "abcdef"
        assert plain_text(await read_plain(env.client, handle.id, from_offset=4)) == ""
        await env.assert_replays(handle)


async def test_a_topic_without_a_stream_ends_the_workflow_and_says_what_to_write(agents: Agents) -> None:
    model = ScriptedModel(say("never"))
    async with agents(workflows=[NoStreamWorkflow], models={"live": lambda: model}) as env:
        with pytest.raises(WorkflowFailureError) as failure:
            await env.run(NoStreamWorkflow.run, "go")
        cause = failure.value.cause
        assert isinstance(cause, ApplicationError)
        assert cause.type == "AgentValueError"
        assert "self.stream = WorkflowStream()" in cause.message
        assert not model.calls  # nothing was paid for
