"""A stream's cost in history, in signals and polls. No count depends on the clock."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from packages.streaming.tests.streaming_support import WAIT, LiveModel, plain_text, read_plain
from strands.types.streaming import StreamEvent
from temporalio import workflow
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowUpdateInput,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowUpdateHandle,
)
from temporalio.contrib.workflow_streams import WorkflowStream, WorkflowStreamClient
from temporalio.worker import Worker

from strands_temporal import StrandsPlugin, TemporalAgent
from strands_temporal.testing import assert_replays
from strands_temporal_streaming import AgentStream, StreamingPlugin, TextDelta

pytestmark = [
    pytest.mark.server,
    # temporalio warns if a workflow ends while a reader polls. The reader reads the rest by query.
    pytest.mark.filterwarnings("ignore:.TMPRL1102:RuntimeWarning"),
]

CHUNKS, ROUNDS = 500, 25
"""The model says its chunks in rounds. It begins a round when the previous one has arrived."""


@workflow.defn
class CostWorkflow:
    def __init__(self) -> None:
        self.stream = WorkflowStream()

    @workflow.run
    async def run(self, interval_ms: int) -> str:
        agent = TemporalAgent(
            "live",
            streaming_topic="events",
            streaming_batch_interval=timedelta(milliseconds=interval_ms),
            callback_handler=None,
        )
        return str(await agent.invoke_async("go")).strip()


class Calls(Interceptor):
    """Counts the signals and the polls that a client makes."""

    def __init__(self) -> None:
        self.signals = 0
        self.polls = 0
        self.called = asyncio.Condition()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        calls = self

        class Outbound(OutboundInterceptor):
            async def signal_workflow(self, input: SignalWorkflowInput) -> None:
                await super().signal_workflow(input)
                async with calls.called:
                    calls.signals += 1
                    calls.called.notify_all()

            async def start_workflow_update(
                self, input: StartWorkflowUpdateInput
            ) -> WorkflowUpdateHandle[Any]:
                calls.polls += 1
                return await super().start_workflow_update(input)

        return Outbound(next)

    async def signalled(self, times: int) -> None:
        async def wait() -> None:
            async with self.called:
                await self.called.wait_for(lambda: self.signals >= times)

        await asyncio.wait_for(wait(), WAIT)


class Reader:
    """Reads the topic, and announces what has arrived."""

    def __init__(self, texts: AsyncIterator[str]) -> None:
        self.text = ""
        self._arrived = asyncio.Condition()
        self.task = asyncio.create_task(self._read(texts))

    async def _read(self, texts: AsyncIterator[str]) -> None:
        async for text in texts:
            async with self._arrived:
                self.text += text
                self._arrived.notify_all()

    async def has(self, text: str) -> None:
        async def wait() -> None:
            async with self._arrived:
                await self._arrived.wait_for(lambda: text in self.text)

        await asyncio.wait_for(wait(), WAIT)


async def as_the_guide_reads(client: Client, workflow_id: str) -> AsyncIterator[str]:
    stream = WorkflowStreamClient.create(client, workflow_id)
    async for item in stream.subscribe(["events"], 0, result_type=StreamEvent):
        yield plain_text([item.data])


async def as_events(client: Client, workflow_id: str) -> AsyncIterator[str]:
    async for event in AgentStream(client, workflow_id):
        if isinstance(event, TextDelta):
            yield event.text


def speaks(
    rounds: int, arrived: Callable[[int], Awaitable[None]]
) -> Callable[[], AsyncIterator[StreamEvent]]:
    """Return a call that says all chunks in `rounds`. After each round it awaits `arrived(round)`."""

    async def events() -> AsyncIterator[StreamEvent]:
        yield {"messageStart": {"role": "assistant"}}
        for number in range(CHUNKS):
            yield {"contentBlockDelta": {"delta": {"text": f"{number} "}}}
            if (number + 1) % (CHUNKS // rounds) == 0:
                await arrived((number + 1) // (CHUNKS // rounds))
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}

    return events


@asynccontextmanager
async def running(
    client: Client, model: LiveModel, calls: Calls, interval_ms: int, options: dict[str, Any]
) -> AsyncGenerator["WorkflowHandle[Any, str]"]:
    """Run a worker whose signals are counted, start the workflow, and replay it at the end."""
    plugins = [StrandsPlugin(models={"live": lambda: model}), StreamingPlugin()]
    counted = Client(client.service_client, plugins=plugins, interceptors=[calls])
    queue = f"cost-{uuid.uuid4()}"
    async with Worker(counted, task_queue=queue, workflows=[CostWorkflow], **options):
        handle = await client.start_workflow(CostWorkflow.run, interval_ms, id=queue, task_queue=queue)
        yield handle
    await assert_replays(handle, [CostWorkflow])


SHORT, LONG = 1, 3_600_000  # milliseconds
WHOLE = "".join(f"{number} " for number in range(CHUNKS)).rstrip()


async def test_a_batch_is_one_signal_and_one_workflow_task(
    client: Client, worker_options: dict[str, Any]
) -> None:
    calls = Calls()
    model = LiveModel(speaks(ROUNDS, lambda number: calls.signalled(number)))
    async with running(client, model, calls, SHORT, worker_options) as handle:
        assert await asyncio.wait_for(handle.result(), WAIT) == WHOLE
        history = await handle.fetch_history()
        assert plain_text(await read_plain(client, handle.id)).rstrip() == WHOLE  # each chunk once
    assert calls.signals == ROUNDS + 1  # plus one for the ends of the block and the message
    assert_costs(history, batches=calls.signals, polls=0)


@pytest.mark.parametrize("typed", [False, True], ids=["the guide's reader", "AgentStream"])
async def test_the_guides_reader_adds_polls_and_tasks_and_a_typed_one_nothing(
    client: Client, worker_options: dict[str, Any], typed: bool
) -> None:
    calls, reading = Calls(), Calls()
    readers: list[Reader] = []
    attached = asyncio.Event()

    async def arrived(number: int) -> None:
        await asyncio.wait_for(attached.wait(), WAIT)
        await readers[0].has(f"{number * CHUNKS // ROUNDS - 1} ")

    async with running(client, LiveModel(speaks(ROUNDS, arrived)), calls, SHORT, worker_options) as handle:
        read = as_events if typed else as_the_guide_reads
        reader = Reader(read(Client(client.service_client, interceptors=[reading]), handle.id))
        readers.append(reader)
        attached.set()
        assert await asyncio.wait_for(handle.result(), WAIT) == WHOLE
        await asyncio.wait_for(reader.task, WAIT)
        assert reader.text.rstrip() == WHOLE
        history = await handle.fetch_history()
    assert calls.signals == ROUNDS + 1
    # Each batch answers one poll. One more poll waits for anything after the last, or finds the end.
    assert reading.polls <= (0 if typed else calls.signals + 1)
    assert_costs(history, batches=calls.signals, polls=reading.polls)


async def test_between_the_first_content_and_the_end_the_interval_is_kept(
    client: Client, worker_options: dict[str, Any]
) -> None:
    """Two signals for 500 chunks: one with what was there, one with the rest, although no hour has passed."""
    calls = Calls()

    async def first_arrived(number: int) -> None:
        if number == 1:
            await calls.signalled(1)
        await asyncio.sleep(0)  # the sender gets a chance to send

    model = LiveModel(speaks(CHUNKS, first_arrived))
    async with running(client, model, calls, LONG, worker_options) as handle:
        assert await asyncio.wait_for(handle.result(), WAIT) == WHOLE
        history = await handle.fetch_history()
        assert plain_text(await read_plain(client, handle.id)).rstrip() == WHOLE
    assert calls.signals == 2
    assert_costs(history, batches=2, polls=0)


def assert_costs(history: WorkflowHistory, *, batches: int, polls: int) -> None:
    """Assert that the history has only the events of the batches and the polls.

    Under load, the server lets workflow tasks time out and repeats them. Those do not count.
    """
    kinds = Counter(
        str(event.WhichOneof("attributes")).removesuffix("_event_attributes") for event in history.events
    )
    signals, tasks = kinds.pop("workflow_execution_signaled"), kinds.pop("workflow_task_completed")
    accepted = kinds.pop("workflow_execution_update_accepted", 0)
    assert signals == batches
    assert accepted <= polls
    assert kinds.pop("workflow_execution_update_completed", 0) <= accepted
    assert tasks <= batches + polls + 2  # plus start and answer; some tasks merge
    for again in ("scheduled", "started", "timed_out", "failed"):
        kinds.pop(f"workflow_task_{again}", None)
    assert kinds == {
        f"{what}_{when}": 1
        for what, whens in {
            "workflow_execution": ("started", "completed"),
            "activity_task": ("scheduled", "started", "completed"),
        }.items()
        for when in whens
    }
